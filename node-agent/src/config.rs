//! What an agent is told by the people who run its host: one TOML file, with a few environment variables
//! above it.
//!
//! Every path that an agent uses comes from here, so that several agents can share a host. What the cluster
//! shall do (groups, priorities, intervals) never stands here: that is the server's desired state.
//!
//! | Variable | Stands above |
//! |---|---|
//! | `BATON_AGENT_STATE_DIR` | `state_dir` |
//! | `BATON_AGENT_SOCKET` | `socket` |
//! | `BATON_AGENT_LOG_FORMAT` | `log_format` |
//! | `BATON_AGENT_SERVER_URL` | `server.url` |
//! | `BATON_AGENT_JOIN_TOKEN_FILE` | `server.join_token_file` |
//! | `BATON_AGENT_METRICS_LISTEN` | `metrics.listen` |
//! | `BATON_AGENT_POLICY_FILE` | `policy_file` |

mod fences;
mod settings;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::fences::FenceSettings;
pub use self::settings::{Settings, SettingsError};
use crate::policy::DEFAULT_POLICY;

/// Where the configuration is looked for when nothing else is said.
pub const DEFAULT_CONFIG: &str = "/etc/baton/agent.toml";

/// The longest path of the socket, in octets: what `sockaddr_un.sun_path` holds without its final zero, less the
/// dot and process id of the name under which the socket is made before it takes its place.
const MAX_SOCKET_PATH: usize = 107 - 8;

/// The effective configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Holds the identity key, the CA certificate, the last good desired state and the journal.
    pub state_dir: PathBuf,
    /// Where `baton-agent status` reaches the agent.
    pub socket: PathBuf,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What this host allows a server to ask of it.
    pub policy_file: PathBuf,
    /// The server, and how to become known to it.
    pub server: ServerConfig,
    /// The Prometheus listener, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsConfig>,
    /// Which fences shall stand ready.
    pub fences: FenceSettings,
}

/// The server, and how to become known to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerConfig {
    /// Where the server is.
    pub url: ServerUrl,
    /// The file with the join token, used once while there is no identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_token_file: Option<PathBuf>,
}

/// Where metrics can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricsConfig {
    /// An address of this host with a port. Nobody is asked who they are: keep it to loopback or a trusted
    /// network.
    pub listen: SocketAddr,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The address of a server: `https://host[:port]`, nothing behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerUrl {
    host: String,
    port: u16,
}

/// The text is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not the URL of a server ({why}): allowed is https://host or https://host:port")]
pub struct ServerUrlError {
    text: String,
    why: String,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what is allowed; the source shows the line.
    #[error("the configuration {path} cannot be used")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// An environment variable is not what is allowed.
    #[error("in the environment variable {name}: {detail}")]
    Environment {
        /// Which variable.
        name: &'static str,
        /// What was wrong, and what is allowed.
        detail: String,
    },
    /// A field that has no default is nowhere.
    #[error("the configuration {path} cannot be used: {field} is missing: {allowed}")]
    Missing {
        /// Which file.
        path: PathBuf,
        /// Which field.
        field: &'static str,
        /// What it can be.
        allowed: &'static str,
    },
}

impl Config {
    /// Reads a file and puts the environment above it.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and line, or the variable, what was wrong and what is allowed.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::from_sources(path, &text, |name| std::env::var(name).ok())
    }

    /// Makes the configuration from the text of a file and an environment.
    ///
    /// # Errors
    /// As [`Config::load`]; `path` only names the file in messages.
    pub fn from_sources(
        path: &Path,
        text: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let file = toml::from_str(text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        Self::from_file(path, file, environment)
    }

    fn from_file(
        path: &Path,
        file: ConfigFile,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let environment = Environment(environment);
        let server = file.server.unwrap_or_default();

        let url = environment.get("BATON_AGENT_SERVER_URL")?.or(server.url).ok_or(ConfigError::Missing {
            path: path.to_owned(),
            field: "server.url",
            allowed: "write the address of the server, for example \"https://baton.example:8443\"",
        })?;
        let state_dir = environment.get::<AbsolutePath>("BATON_AGENT_STATE_DIR")?.or(file.state_dir);
        let socket = environment.get::<SocketPath>("BATON_AGENT_SOCKET")?.or(file.socket);
        let policy_file = environment.get::<AbsolutePath>("BATON_AGENT_POLICY_FILE")?.or(file.policy_file);
        let join_token_file =
            environment.get::<AbsolutePath>("BATON_AGENT_JOIN_TOKEN_FILE")?.or(server.join_token_file);
        let listen = environment
            .get::<ListenAddress>("BATON_AGENT_METRICS_LISTEN")?
            .or(file.metrics.map(|metrics| metrics.listen));

        Ok(Self {
            state_dir: state_dir.map_or_else(|| "/var/lib/baton-agent".into(), |path| path.0),
            socket: socket.map_or_else(|| "/run/baton-agent/agent.sock".into(), |path| path.0),
            log_format: environment.get("BATON_AGENT_LOG_FORMAT")?.unwrap_or(file.log_format),
            policy_file: policy_file.map_or_else(|| DEFAULT_POLICY.into(), |path| path.0),
            server: ServerConfig { url, join_token_file: join_token_file.map(|path| path.0) },
            metrics: listen.map(|listen| MetricsConfig { listen: listen.0 }),
            fences: file.fences,
        })
    }

    /// The effective configuration as TOML. It holds paths to secrets, never secrets.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    state_dir: Option<AbsolutePath>,
    socket: Option<SocketPath>,
    #[serde(default)]
    log_format: LogFormat,
    policy_file: Option<AbsolutePath>,
    server: Option<ServerSection>,
    metrics: Option<MetricsSection>,
    #[serde(default)]
    fences: FenceSettings,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerSection {
    url: Option<ServerUrl>,
    join_token_file: Option<AbsolutePath>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsSection {
    listen: ListenAddress,
}

/// An address of this host with a port.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct ListenAddress(SocketAddr);

/// A path that does not depend on where the agent was started.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct AbsolutePath(PathBuf);

/// A path that a Unix socket can have.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct SocketPath(PathBuf);

impl TryFrom<String> for AbsolutePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let path = PathBuf::from(&text);
        if path.is_absolute() {
            Ok(Self(path))
        } else {
            Err(format!("{text:?} is not an absolute path: it must start with /"))
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("{text:?} is not an address with a port: write it like 127.0.0.1:9165"))
    }
}

impl TryFrom<String> for SocketPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > MAX_SOCKET_PATH {
            return Err(format!("{text:?} is too long for a socket: allowed are {MAX_SOCKET_PATH} octets"));
        }
        AbsolutePath::try_from(text).map(|path| Self(path.0))
    }
}

struct Environment<F>(F);

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// An empty variable counts as none.
    fn get<T: FromVariable>(&self, name: &'static str) -> Result<Option<T>, ConfigError> {
        match (self.0)(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => {
                T::from_variable(value).map(Some).map_err(|detail| ConfigError::Environment { name, detail })
            }
        }
    }
}

trait FromVariable: Sized {
    fn from_variable(value: String) -> Result<Self, String>;
}

impl FromVariable for AbsolutePath {
    fn from_variable(value: String) -> Result<Self, String> {
        Self::try_from(value)
    }
}

impl FromVariable for SocketPath {
    fn from_variable(value: String) -> Result<Self, String> {
        Self::try_from(value)
    }
}

impl FromVariable for ServerUrl {
    fn from_variable(value: String) -> Result<Self, String> {
        value.parse().map_err(|error: ServerUrlError| error.to_string())
    }
}

impl FromVariable for ListenAddress {
    fn from_variable(value: String) -> Result<Self, String> {
        Self::try_from(value)
    }
}

impl FromVariable for LogFormat {
    fn from_variable(value: String) -> Result<Self, String> {
        match value.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{value:?} is not a log format: allowed are text and json")),
        }
    }
}

impl ServerUrl {
    /// The name or address of the server's host, without brackets around an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` as it stands in a URL.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let refuse = |why: &str| ServerUrlError { text: text.to_owned(), why: why.to_owned() };
        let url = reqwest::Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        if url.scheme() != "https" {
            return Err(refuse("agents speak to servers over TLS only"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("credentials do not belong here"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("there is something behind the host"));
        }
        let host = url.host_str().ok_or_else(|| refuse("there is no host"))?;
        if url.port() == Some(0) {
            return Err(refuse("nothing can be reached at port 0"));
        }
        Ok(Self { host: host.to_owned(), port: url.port().unwrap_or(443) })
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = ServerUrlError;

    fn try_from(text: String) -> Result<Self, ServerUrlError> {
        text.parse()
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests;
