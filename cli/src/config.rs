//! Which server we talk to, whom we trust, and who we are.
//!
//! `baton login` writes it to a file (`$BATON_CONFIG`, else `$XDG_CONFIG_HOME/baton/config.toml`, else
//! `~/.config/baton/config.toml`); `BATON_SERVER`, `BATON_CA`, `BATON_TOKEN` and `BATON_TOKEN_FILE` each take
//! the place of one entry, or of the whole file. A `BATON_SERVER` that is not the one of the file uses
//! nothing of the file, so that a token is never shown to another server.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::api_token::{ApiToken, TokenError};
use crate::bounded_file::{self, Limit};
use crate::server_url::{self, UrlError, normal};

/// All that is needed to call one server.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// `https://host:port`.
    pub(crate) server: String,
    /// Which certificate authorities may vouch for it.
    pub(crate) trust: Trust,
    pub(crate) token: ApiToken,
}

/// Which certificate authorities may vouch for the server.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// Those of the machine.
    System,
    /// These and no other.
    Only {
        /// One or more certificates.
        pem: String,
        /// Where they came from, for messages.
        origin: String,
    },
}

/// Why there is no context, or why it cannot be kept.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("not logged in: {} does not exist and BATON_SERVER is not set", .path.display())]
    NoServer { path: PathBuf },
    #[error(transparent)]
    Server(#[from] UrlError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("there is no API token for {server}")]
    NoToken { server: String },
    #[error("{} is not a configuration of baton", .path.display())]
    Malformed {
        path: PathBuf,
        #[source]
        source: toml::de::Error,
    },
    #[error("{what} cannot be read from {}", .path.display())]
    Read {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the configuration cannot be written to {}", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "nobody knows where the configuration lives: none of BATON_CONFIG, XDG_CONFIG_HOME and HOME is set"
    )]
    NoHome,
}

impl ConfigError {
    /// What to do next, where that can be said.
    pub(crate) fn hint(&self) -> Option<String> {
        let login = "baton login --server https://HOST:8443 --ca ca.pem --token-file FILE";
        match self {
            Self::NoServer { .. } => {
                Some(format!("`{login}`, or set BATON_SERVER, BATON_CA and BATON_TOKEN_FILE"))
            }
            Self::NoToken { .. } => Some(format!("set BATON_TOKEN or BATON_TOKEN_FILE, or `{login}`")),
            Self::Malformed { .. } => Some(
                "if it is another program's, point BATON_CONFIG elsewhere; else remove it and log in"
                    .to_owned(),
            ),
            Self::NoHome => Some("set BATON_CONFIG to the path of a file".to_owned()),
            Self::Server(_) | Self::Token(_) | Self::Read { .. } | Self::Write { .. } => None,
        }
    }
}

/// The environment as far as it matters here; a variable that is set but empty counts as not set.
pub(crate) struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
}

impl<'a> Environment<'a> {
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { lookup }
    }

    fn get(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// Where the configuration lives.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`] when no variable says it.
    pub(crate) fn config_path(&self) -> Result<PathBuf, ConfigError> {
        if let Some(path) = self.path("BATON_CONFIG") {
            return Ok(path);
        }
        // The XDG specification has relative paths ignored.
        let base = self
            .path("XDG_CONFIG_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| self.path("HOME").map(|home| home.join(".config")))
            .ok_or(ConfigError::NoHome)?;
        Ok(base.join("baton").join("config.toml"))
    }
}

/// The context of this process: the file, and what the environment says instead.
///
/// # Errors
/// [`ConfigError`] says what is missing or cannot be read.
pub(crate) fn load() -> Result<Context, ConfigError> {
    load_from(&Environment::new(&|name| std::env::var_os(name)))
}

fn load_from(environment: &Environment<'_>) -> Result<Context, ConfigError> {
    let asked = environment.text("BATON_SERVER").map(|server| normal(&server));
    // With everything in the environment there need not even be a place for a file.
    let path = environment.config_path();
    let stored = match (&asked, &path) {
        (_, Ok(path)) => read(path)?,
        (Some(_), Err(_)) => None,
        (None, Err(_)) => return Err(ConfigError::NoHome),
    };
    let stored = stored.filter(|stored| asked.as_deref().is_none_or(|asked| asked == normal(&stored.server)));

    let Some(server) = asked.or_else(|| stored.as_ref().map(|stored| normal(&stored.server))) else {
        return Err(ConfigError::NoServer { path: path? });
    };
    server_url::parse(&server)?;
    let kept = path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let (stored_ca, stored_token) = stored.map_or((None, None), |stored| (stored.ca, Some(stored.token)));

    let trust = match (environment.path("BATON_CA"), stored_ca) {
        (Some(path), _) => read_ca(&path)?,
        (None, Some(pem)) => Trust::Only { pem, origin: format!("{kept}, where the login keeps it") },
        (None, None) => Trust::System,
    };
    let token = match (environment.text("BATON_TOKEN"), environment.path("BATON_TOKEN_FILE"), stored_token) {
        (Some(token), _, _) => ApiToken::new(&token, "in BATON_TOKEN"),
        (None, Some(path), _) => ApiToken::read(&path)?,
        (None, None, Some(token)) => ApiToken::new(&token, format_args!("of the login in {kept}")),
        (None, None, None) => return Err(ConfigError::NoToken { server }),
    };
    Ok(Context { server, trust, token })
}

/// The certificates in `path`, as the only ones to trust.
///
/// # Errors
/// [`ConfigError::Read`] when the file cannot be read.
pub(crate) fn read_ca(path: &Path) -> Result<Trust, ConfigError> {
    let pem = bounded_file::text_of(path, Limit::SETTINGS).map_err(|source| ConfigError::Read {
        what: "the CA certificate",
        path: path.to_owned(),
        source,
    })?;
    Ok(Trust::Only { pem, origin: path.display().to_string() })
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    server: String,
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
}

fn read(path: &Path) -> Result<Option<Stored>, ConfigError> {
    match bounded_file::text_of(path, Limit::SETTINGS) {
        Ok(text) => match toml::from_str(&text) {
            Ok(stored) => Ok(Some(stored)),
            Err(source) => Err(ConfigError::Malformed { path: path.to_owned(), source }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Read { what: "the configuration", path: path.to_owned(), source }),
    }
}

/// Keeps `context` for the next calls, readable by its owner only, and says where.
///
/// The file appears whole or not at all. One that is there and was not written by us stays as it is.
///
/// # Errors
/// [`ConfigError`] when it cannot be written, or is not ours.
pub(crate) fn store(context: &Context) -> Result<PathBuf, ConfigError> {
    let path = Environment::new(&|name| std::env::var_os(name)).config_path()?;
    read(&path)?;
    write(&path, context).map_err(|source| ConfigError::Write { path: path.clone(), source })?;
    Ok(path)
}

fn write(path: &Path, context: &Context) -> io::Result<()> {
    let stored = Stored {
        server: context.server.clone(),
        token: context.token.secret.expose_secret().to_owned(),
        ca: match &context.trust {
            Trust::System => None,
            Trust::Only { pem, .. } => Some(pem.clone()),
        },
    };
    let text = toml::to_string(&stored).map_err(io::Error::other)?;

    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut file = tempfile::Builder::new()
        .prefix(".config")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    writeln!(file, "# Written by `baton login`. It holds a secret: keep it readable by its owner only.")?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Context, ConfigError> {
        let lookup = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        load_from(&Environment::new(&lookup))
    }

    fn logged_in(directory: &Path) -> PathBuf {
        let path = directory.join("deep/config.toml");
        let context = Context {
            server: "https://one:8443".to_owned(),
            trust: Trust::Only { pem: "PEM\n".to_owned(), origin: "test".to_owned() },
            token: ApiToken::new("stored", "of a test"),
        };
        write(&path, &context).unwrap();
        path
    }

    #[test]
    fn what_login_stores_is_read_back_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = logged_in(directory.path());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let context = with(&[("BATON_CONFIG", path.to_str().unwrap())]).unwrap();
        assert_eq!(context.server, "https://one:8443");
        assert_eq!(context.token.secret.expose_secret(), "stored");
        assert!(matches!(context.trust, Trust::Only { pem, .. } if pem == "PEM\n"));
    }

    #[test]
    fn a_stored_token_is_never_used_for_another_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = logged_in(directory.path());
        let config = ("BATON_CONFIG", path.to_str().unwrap());

        let same = with(&[config, ("BATON_SERVER", "https://one:8443/")]).unwrap();
        assert_eq!(same.token.secret.expose_secret(), "stored");

        let other = with(&[config, ("BATON_SERVER", "https://two:8443")]);
        assert!(matches!(other, Err(ConfigError::NoToken { server }) if server == "https://two:8443"));
    }

    #[test]
    fn a_wrong_url_is_found_before_a_missing_token() {
        for wrong in ["foo", "http://one:8443", "https://one:8443/api"] {
            let refused = with(&[("BATON_SERVER", wrong)]);
            assert!(matches!(refused, Err(ConfigError::Server(_))), "{wrong}: {refused:?}");
        }
    }

    #[test]
    fn the_environment_alone_is_enough() {
        let context =
            with(&[("BATON_SERVER", "https://one:8443"), ("BATON_TOKEN", "baton_pat_x\n")]).unwrap();
        assert_eq!(context.token.secret.expose_secret(), "baton_pat_x");
        assert!(matches!(context.trust, Trust::System));
    }

    #[test]
    fn without_file_and_environment_the_way_to_log_in_is_shown() {
        let error = with(&[("HOME", "/nonexistent")]).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/.config/baton/config.toml"), "{error}");
        assert!(error.hint().unwrap().contains("baton login --server"));
    }

    #[test]
    fn xdg_config_home_goes_before_home_and_an_empty_variable_counts_as_none() {
        let lookup = |name: &str| match name {
            "BATON_CONFIG" => Some(OsString::new()),
            "XDG_CONFIG_HOME" => Some(OsString::from("/xdg")),
            "HOME" => Some(OsString::from("/home/me")),
            _ => None,
        };
        let path = Environment::new(&lookup).config_path().unwrap();
        assert_eq!(path, Path::new("/xdg/baton/config.toml"));
    }
}
