//! The join token: `baton_join_<id>_<secret>_<pin>`.
//!
//! - id: the token's UUID as 32 hex digits
//! - secret: 32 random octets in base64url, 43 characters
//! - pin: the SHA-256 of the `SubjectPublicKeyInfo` of the server's CA certificate in base64url, 43 characters
//!
//! The pin is what lets an agent know the right server at first contact, before it has any other reason for
//! trust.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;
use uuid::Uuid;

const PREFIX: &str = "baton_join_";
/// 32 octets in base64url without padding.
const ENCODED_LENGTH: usize = 43;

/// A join token. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    text: String,
    pin: CaPin,
}

/// The SHA-256 of the `SubjectPublicKeyInfo` (DER) of a CA certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaPin(pub [u8; 32]);

/// Why there is no join token. The token itself is never part of the message.
#[derive(Debug, Error)]
pub enum JoinTokenError {
    /// The file could not be read.
    #[error("cannot read the join token file {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not start as it must.
    #[error("this is not a join token: it must start with {PREFIX}")]
    Prefix,
    /// It does not have the three parts.
    #[error("the join token is cut short or altered: {PREFIX} must be followed by three parts joined by _")]
    Parts,
    /// The first part is no id.
    #[error("the id in the join token is altered: it must be 32 hex digits")]
    Id,
    /// The second part is no secret.
    #[error("the secret in the join token is altered: it must be {ENCODED_LENGTH} characters of base64url")]
    Secret,
    /// The third part is no pin.
    #[error("the CA pin in the join token is altered: it must be {ENCODED_LENGTH} characters of base64url")]
    Pin,
}

impl JoinToken {
    /// Reads the token from a file; white space around it does not matter.
    ///
    /// # Errors
    /// [`JoinTokenError`] says which part is wrong.
    pub fn read(path: &Path) -> Result<Self, JoinTokenError> {
        std::fs::read_to_string(path)
            .map_err(|source| JoinTokenError::Read { path: path.to_owned(), source })?
            .parse()
    }

    /// The token as it is sent to the server.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Which authority the server must answer under.
    #[must_use]
    pub const fn pin(&self) -> CaPin {
        self.pin
    }
}

impl FromStr for JoinToken {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<Self, JoinTokenError> {
        let text = text.trim();
        let rest = text.strip_prefix(PREFIX).ok_or(JoinTokenError::Prefix)?;
        // `_` is also a letter of base64url, so the parts are found by their lengths.
        let (id, rest) = rest.split_once('_').ok_or(JoinTokenError::Parts)?;
        let (secret, rest) = rest.split_at_checked(ENCODED_LENGTH).ok_or(JoinTokenError::Parts)?;
        let pin = rest.strip_prefix('_').ok_or(JoinTokenError::Parts)?;
        if id.len() != 32 || Uuid::try_parse(id).is_err() {
            return Err(JoinTokenError::Id);
        }
        octets(secret).ok_or(JoinTokenError::Secret)?;
        let pin = octets(pin).ok_or(JoinTokenError::Pin)?;
        Ok(Self { text: text.to_owned(), pin: CaPin(pin) })
    }
}

fn octets(encoded: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("pin", &self.pin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: [u8; 32], pin: [u8; 32]) -> String {
        let encode = |octets: [u8; 32]| URL_SAFE_NO_PAD.encode(octets);
        format!("{PREFIX}{}_{}_{}", Uuid::nil().simple(), encode(secret), encode(pin))
    }

    #[test]
    fn the_parts_are_found_even_when_they_contain_underscores() {
        let text = token([0xff; 32], [0xff; 32]);
        assert!(text.matches('_').count() > 4, "0xff encodes to underscores");
        let parsed: JoinToken = format!(" {text}\n").parse().unwrap();
        assert_eq!(parsed.pin(), CaPin([0xff; 32]));
        assert_eq!(parsed.expose(), text);
    }

    #[test]
    fn each_damage_is_named_and_the_token_is_not_repeated() {
        let good = token([1; 32], [2; 32]);
        let cases = [
            (String::new(), "must start with baton_join_"),
            (good.replace("join", "pat"), "must start with baton_join_"),
            (good[..60].to_owned(), "cut short"),
            (good.replace("00000000_", "0000000g_"), "id in the join token"),
            (good.replacen("AQEB", "AQ=B", 1), "secret in the join token"),
            (good[..good.len() - 1].to_owned(), "CA pin in the join token"),
            (format!("{good}A"), "CA pin in the join token"),
        ];
        for (text, wanted) in cases {
            let error = text.parse::<JoinToken>().expect_err(&text).to_string();
            assert!(error.contains(wanted), "{text:?}: {error}");
            assert!(!error.contains("AQEB"), "{error}");
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let parsed: JoinToken = token([1; 32], [2; 32]).parse().unwrap();
        assert!(!format!("{parsed:?}").contains("AQEB"));
    }
}
