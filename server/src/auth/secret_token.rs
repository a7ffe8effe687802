//! The text of API tokens and join tokens: `<prefix>_<id>_<secret>`, where the prefix lets scanners find leaks.
//!
//! The id is 32 hex digits, the secret 43 characters of base64url (32 random octets). Both have a fixed length,
//! because base64url itself contains `_`. The database keeps the SHA-256 of the secret: it is random, so a plain
//! hash protects it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

const ID_LENGTH: usize = 32;
const SECRET_LENGTH: usize = 43;

/// Which kind of token a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPrefix {
    /// An API token.
    Api,
    /// A join token.
    Join,
}

impl TokenPrefix {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "baton_pat_",
            Self::Join => "baton_join_",
        }
    }

    /// Whether `text` claims to be of this kind.
    #[must_use]
    pub fn begins(self, text: &str) -> bool {
        text.starts_with(self.as_str())
    }
}

/// A token as its bearer presents it.
#[derive(Clone)]
pub struct SecretToken {
    id: Uuid,
    secret: String,
}

impl SecretToken {
    /// A new token for the row `id`, with a secret of 32 random octets.
    #[must_use]
    pub fn generate(id: Uuid) -> Self {
        let mut octets = [0_u8; 32];
        rand::rng().fill_bytes(&mut octets);
        Self { id, secret: URL_SAFE_NO_PAD.encode(octets) }
    }

    /// Reads the text of a token; a join token is followed by the pin of the authority, which is left unread.
    #[must_use]
    pub fn parse(prefix: TokenPrefix, text: &str) -> Option<Self> {
        let rest = text.strip_prefix(prefix.as_str())?;
        let id = rest.get(..ID_LENGTH)?;
        let secret = rest.get(ID_LENGTH..)?.strip_prefix('_')?;
        let (secret, pin) = (secret.get(..SECRET_LENGTH)?, secret.get(SECRET_LENGTH..)?);
        let pin_fits = match prefix {
            TokenPrefix::Api => pin.is_empty(),
            TokenPrefix::Join => pin.len() == 1 + SECRET_LENGTH && pin.starts_with('_'),
        };
        if !pin_fits || !secret.is_ascii() {
            return None;
        }
        Some(Self { id: Uuid::try_parse(id).ok()?, secret: secret.to_owned() })
    }

    /// The row that the token names.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// What the database keeps.
    #[must_use]
    pub fn secret_sha256(&self) -> [u8; 32] {
        sha256(self.secret.as_bytes())
    }

    /// Whether this is the secret whose hash the database has; takes the same time either way.
    #[must_use]
    pub fn matches(&self, secret_sha256: &[u8]) -> bool {
        self.secret_sha256().ct_eq(secret_sha256).into()
    }

    /// The text of an API token.
    #[must_use]
    pub fn api_text(&self) -> String {
        format!("{}{}_{}", TokenPrefix::Api.as_str(), self.id.simple(), self.secret)
    }

    /// The text of a join token: with the SHA-256 of the authority's public key, by which the agent knows the
    /// server before it has a certificate to check it against.
    #[must_use]
    pub fn join_text(&self, ca_spki_sha256: &[u8; 32]) -> String {
        let pin = URL_SAFE_NO_PAD.encode(ca_spki_sha256);
        format!("{}{}_{}_{pin}", TokenPrefix::Join.as_str(), self.id.simple(), self.secret)
    }
}

impl std::fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// SHA-256 of `octets`.
#[must_use]
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_from_its_text() {
        let token = SecretToken::generate(Uuid::from_u128(7));
        let api = SecretToken::parse(TokenPrefix::Api, &token.api_text()).expect("it was just written");
        assert_eq!(api.id(), token.id());
        assert!(api.matches(&token.secret_sha256()));

        let join = SecretToken::parse(TokenPrefix::Join, &token.join_text(&[9; 32])).expect("just written");
        assert!(join.matches(&token.secret_sha256()));
    }

    #[test]
    fn another_secret_or_a_damaged_text_is_no_match() {
        let token = SecretToken::generate(Uuid::from_u128(7));
        assert!(!SecretToken::generate(token.id()).matches(&token.secret_sha256()));
        let text = token.api_text();
        for bad in ["", "baton_pat_", &text[1..], &text[..text.len() - 1], &format!("{text}A")] {
            assert!(SecretToken::parse(TokenPrefix::Api, bad).is_none(), "{bad}");
        }
        assert!(SecretToken::parse(TokenPrefix::Join, &text).is_none());
    }
}
