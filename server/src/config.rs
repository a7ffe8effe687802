//! The configuration: a TOML file, overridden by the environment. `server.example.toml` explains every key.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the environment may override, with the key that it stands for.
const OVERRIDES: [(&str, &str); 11] = [
    ("BATON_SERVER_LISTEN", "listen"),
    ("BATON_SERVER_STATE_DIR", "state_dir"),
    ("BATON_SERVER_NAMES", "names"),
    ("BATON_SERVER_LOG_FORMAT", "log_format"),
    ("BATON_SERVER_TLS_CERTIFICATE", "tls.certificate"),
    ("BATON_SERVER_TLS_KEY", "tls.key"),
    ("BATON_SERVER_TLS_CA", "tls.ca"),
    ("BATON_SERVER_DATABASE_URL", "database.url"),
    ("BATON_SERVER_DATABASE_OWNER_URL", "database.owner_url"),
    ("BATON_SERVER_DATABASE_MAX_CONNECTIONS", "database.max_connections"),
    ("BATON_SERVER_DATABASE_BIN_DIR", "database.bin_dir"),
];

/// The configuration of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the API listens.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where keys, the first admin token and the embedded Postgres are kept.
    #[serde(default = "default_state_dir")]
    pub state_dir: PathBuf,
    /// The names and addresses by which clients reach the server; they stand in its own certificate.
    #[serde(default = "default_names")]
    pub names: Vec<String>,
    /// How the log is written.
    #[serde(default)]
    pub log_format: LogFormat,
    /// A certificate from elsewhere; without it the server has an authority of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    /// Where the database is.
    #[serde(default)]
    pub database: DatabaseConfig,
}

/// A certificate from elsewhere, PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate, followed by the intermediate ones.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificate of the authority, which agents trust from their enrolment on.
    pub ca: PathBuf,
}

/// Where the database is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// The URL that requests are served over; without it the server runs a private Postgres.
    #[serde(default, skip_serializing)]
    pub url: Option<String>,
    /// The URL of the owner, who applies the migrations; [`Self::url`] when it is not given.
    #[serde(default, skip_serializing)]
    pub owner_url: Option<String>,
    /// The most connections that one server keeps, 2 to 200.
    #[serde(default = "default_max_connections")]
    pub max_connections: u32,
    /// Where the programs of the private Postgres are; searched for when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bin_dir: Option<PathBuf>,
}

/// How the log is written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no usable configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML, or has a key or value that is not allowed.
    #[error("{origin}: {detail}")]
    Parse {
        /// The file, or the file with the environment laid over it.
        origin: String,
        /// What is wrong, and where.
        detail: String,
    },
    /// A value breaks a rule.
    #[error("{key}: {detail}")]
    Rule {
        /// The key.
        key: &'static str,
        /// What is wrong, and what is allowed.
        detail: String,
    },
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8443))
}

fn default_state_dir() -> PathBuf {
    PathBuf::from("/var/lib/baton-server")
}

fn default_names() -> Vec<String> {
    vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
}

const fn default_max_connections() -> u32 {
    20
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: None, owner_url: None, max_connections: default_max_connections(), bin_dir: None }
    }
}

impl std::fmt::Debug for DatabaseConfig {
    /// Leaves the URLs out: they may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("embedded", &self.url.is_none())
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads the file at `path`, lays `environment` over it and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key and what is allowed.
    pub fn load(path: &Path, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string(), environment)
    }

    fn parse(
        text: &str,
        origin: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let wrong = |error: toml::de::Error| ConfigError::Parse {
            origin: origin.to_owned(),
            detail: error.to_string().trim_end().to_owned(),
        };
        // The file alone first: its errors have a line and a column.
        let mut config: Self = toml::from_str(text).map_err(wrong)?;
        let overrides: Vec<(&str, &str, String)> = OVERRIDES
            .iter()
            .filter_map(|(variable, key)| environment(variable).map(|value| (*variable, *key, value)))
            .collect();
        if !overrides.is_empty() {
            let mut table: toml::Table = toml::from_str(text).map_err(wrong)?;
            for (variable, key, value) in overrides {
                let origin = format!("environment variable {variable}");
                lay_over(&mut table, key, &value).map_err(|detail| ConfigError::Parse { origin, detail })?;
            }
            config = table.try_into().map_err(|error: toml::de::Error| ConfigError::Parse {
                origin: format!("{origin} with the environment"),
                detail: error.to_string().trim_end().to_owned(),
            })?;
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let rule = |key, detail: &str| Err(ConfigError::Rule { key, detail: detail.to_owned() });
        if self.names.is_empty() || self.names.len() > 64 {
            return rule("names", "1 to 64 names or addresses are allowed");
        }
        if self.names.iter().any(|name| name.is_empty() || name.len() > 253 || !name.is_ascii()) {
            return rule("names", "a name has 1 to 253 ASCII characters");
        }
        if !(2..=200).contains(&self.database.max_connections) {
            return rule("database.max_connections", "2 to 200 are allowed");
        }
        if self.database.url.is_none() && self.database.owner_url.is_some() {
            return rule("database.owner_url", "has no sense without database.url");
        }
        if self.database.url.is_none() && self.database.max_connections > 40 {
            return rule("database.max_connections", "the private Postgres allows at most 40");
        }
        Ok(())
    }
}

fn lay_over(table: &mut toml::Table, key: &str, value: &str) -> Result<(), String> {
    let value = match key {
        "names" => {
            let names = value.split(',').map(|name| toml::Value::String(name.trim().to_owned()));
            toml::Value::Array(names.collect())
        }
        "database.max_connections" => {
            toml::Value::Integer(value.parse().map_err(|error| format!("{value:?}: {error}"))?)
        }
        _ => toml::Value::String(value.to_owned()),
    };
    let Some((section, key)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return Ok(());
    };
    let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let section = section.as_table_mut().ok_or("the file has something else there than a section")?;
    section.insert(key.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, "test.toml", |_| None)
    }

    #[test]
    fn an_empty_file_is_a_whole_configuration() {
        let config = parse("").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8443");
        assert_eq!(config.database.url, None);
    }

    #[test]
    fn the_example_is_accepted() {
        parse(include_str!("../server.example.toml")).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("listne = \"127.0.0.1:1\"", "listne"),
            ("listen = \"nowhere\"", "listen"),
            ("names = []", "names"),
            ("[tls]\ncertificate = \"a\"", "missing field"),
            ("[database]\nowner_url = \"postgres://x\"", "database.owner_url"),
            ("[database]\nmax_connections = 1", "database.max_connections"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let config = Config::parse("listen = \"127.0.0.1:1\"", "test.toml", |variable| match variable {
            "BATON_SERVER_LISTEN" => Some("127.0.0.1:2".to_owned()),
            "BATON_SERVER_NAMES" => Some("a.example, 192.0.2.1".to_owned()),
            "BATON_SERVER_DATABASE_MAX_CONNECTIONS" => Some("7".to_owned()),
            _ => None,
        })
        .unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.names, ["a.example", "192.0.2.1"]);
        assert_eq!(config.database.max_connections, 7);
    }

    #[test]
    fn each_variable_has_the_name_of_its_key() {
        for (variable, key) in OVERRIDES {
            assert_eq!(variable, format!("BATON_SERVER_{}", key.to_uppercase().replace('.', "_")));
        }
    }

    #[test]
    fn the_password_of_a_database_is_never_shown() {
        let config = parse("[database]\nurl = \"postgres://u:secret@h/d\"").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        assert!(!toml::to_string(&config).unwrap().contains("secret"));
    }
}
