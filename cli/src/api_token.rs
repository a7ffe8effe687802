//! Who we are: an API token, and the files that hold one.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use thiserror::Error;

use crate::bounded_file::{self, Limit};
use crate::output;

/// An API token.
#[derive(Debug, Clone)]
pub(crate) struct ApiToken {
    pub(crate) secret: SecretString,
    /// Where it came from, for messages: `the API token in /etc/token`.
    pub(crate) origin: String,
}

/// Why a file brings no API token.
#[derive(Debug, Error)]
pub(crate) enum TokenError {
    #[error("the API token cannot be read from {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{what}: an API token begins with baton_pat_")]
    NoToken { what: String },
}

impl ApiToken {
    /// The token in `text`, which may have white space around it.
    pub(crate) fn new(text: &str, place: impl Display) -> Self {
        let secret = SecretString::from(text.trim().to_owned());
        Self { secret, origin: format!("the API token {place}") }
    }

    /// The token in a file; `-` is standard input.
    ///
    /// # Errors
    /// [`TokenError`] when it cannot be read, or is no API token. At most 4 KiB are read.
    pub(crate) fn read(path: &Path) -> Result<Self, TokenError> {
        let (text, place) = if path == Path::new("-") {
            let stdin = io::stdin();
            if stdin.is_terminal() {
                output::complain("Paste the API token, then press Enter and Ctrl-D.");
            }
            (bounded_file::text_from(stdin.lock(), Limit::TOKEN), "on standard input".to_owned())
        } else {
            (bounded_file::text_of(path, Limit::TOKEN), format!("in {}", path.display()))
        };
        let none = || format!("there is no API token {place}");
        let text = text.map_err(|source| {
            if matches!(source.kind(), io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData) {
                TokenError::NoToken { what: format!("{} ({source})", none()) }
            } else {
                TokenError::Read { path: path.to_owned(), source }
            }
        })?;
        let token = text.trim();
        if token.starts_with("baton_pat_") && !token.contains(char::is_whitespace) {
            return Ok(Self::new(token, place));
        }
        let what = if token.starts_with("baton_join_") {
            format!("the token {place} is a join token, which is for an agent")
        } else {
            none()
        };
        Err(TokenError::NoToken { what })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(text: &str) -> Result<ApiToken, TokenError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, text).unwrap();
        ApiToken::read(&path)
    }

    #[test]
    fn a_token_is_read_without_the_line_break_behind_it() {
        assert_eq!(read("baton_pat_x_y\n").unwrap().secret.expose_secret(), "baton_pat_x_y");
    }

    #[test]
    fn a_join_token_is_told_from_an_api_token() {
        assert!(read("baton_join_x_y_z\n").unwrap_err().to_string().contains("join token"));
        assert!(read("").unwrap_err().to_string().contains("no API token"));
        assert!(read("baton_pat_a\nbaton_pat_b\n").is_err(), "two tokens");
    }

    #[test]
    fn a_device_without_an_end_is_no_api_token() {
        for device in ["/dev/zero", "/dev/urandom"] {
            let refused = ApiToken::read(Path::new(device)).unwrap_err().to_string();
            let wanted = format!(
                "there is no API token in {device} (it holds more than 4 KiB, the most that is read): an API \
                 token begins with baton_pat_"
            );
            assert_eq!(refused, wanted);
        }
    }
}
