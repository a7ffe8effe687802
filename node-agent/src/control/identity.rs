//! Who the agent is: an Ed25519 key that never leaves the host, and the node that the server bound it to.
//!
//! The key is made once and outlives enrolments. Each session is opened with a JWT that lives a minute at
//! most and is signed with this key, so nothing that is worth stealing ever crosses the wire or lies in a
//! database.

use std::io;
use std::path::{Path, PathBuf};

use api_types::enrolment::{AGENT_AUDIENCE, AGENT_ISSUER, AGENT_TOKEN_LIFE_S, AgentClaims, Enrolment};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

use super::durable_file;

/// The agent's own key pair.
pub struct AgentKey {
    pair: Ed25519KeyPair,
    pkcs8: Vec<u8>,
}

/// The node that the server bound the key to, and the authority that the server answers under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id of the node.
    pub node_id: Uuid,
    /// The name of the node.
    pub node: String,
    /// The certificate of the authority, PEM.
    pub ca_pem: String,
}

/// Who counts the revisions of a node: one node of one server. Only revisions of the same origin can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The id of the node.
    pub node_id: Uuid,
    /// SHA-256 of the certificate of the authority, PEM, in hex.
    pub authority: String,
}

#[derive(Serialize, Deserialize)]
struct IdentityFile {
    node_id: Uuid,
    node: String,
}

/// Why there is no key or identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("cannot {verb} {path}")]
    File {
        /// `read`, `write`, `close to others` or `make the directory of`.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key file holds something else.
    #[error("{0} holds no Ed25519 key (PKCS#8 DER); remove it and enrol again with a new join token")]
    NoKey(PathBuf),
    /// The identity file holds something else.
    #[error("{path} holds no identity; remove it and enrol again with a new join token")]
    NoIdentity {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The library could not make a key.
    #[error("cannot make an Ed25519 key")]
    Generate,
    /// The library could not sign.
    #[error("cannot sign a JWT")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl AgentKey {
    /// The key in `state_dir`, made on the first call.
    ///
    /// # Errors
    /// When the file cannot be read, written, or holds something else.
    pub fn load_or_make(state_dir: &Path) -> Result<Self, IdentityError> {
        let path = state_dir.join("identity.key");
        match std::fs::read(&path) {
            Ok(pkcs8) => {
                let key = Self::from_pkcs8(pkcs8).ok_or_else(|| IdentityError::NoKey(path.clone()))?;
                durable_file::ensure_private_file(&path).map_err(|source| IdentityError::File {
                    verb: "close to others",
                    path,
                    source,
                })?;
                Ok(key)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(state_dir, &path),
            Err(source) => Err(IdentityError::File { verb: "read", path, source }),
        }
    }

    fn make(state_dir: &Path, path: &Path) -> Result<Self, IdentityError> {
        let failed = |verb| move |source| IdentityError::File { verb, path: path.to_owned(), source };
        let pair = Ed25519KeyPair::generate().map_err(|_| IdentityError::Generate)?;
        let der: Pkcs8V1Der<'static> = pair.as_der().map_err(|_| IdentityError::Generate)?;
        let pkcs8 = der.as_ref().to_vec();
        durable_file::ensure_private_directory(state_dir).map_err(failed("make the directory of"))?;
        durable_file::replace(path, &pkcs8, durable_file::PRIVATE).map_err(failed("write"))?;
        Self::from_pkcs8(pkcs8).ok_or(IdentityError::Generate)
    }

    fn from_pkcs8(pkcs8: Vec<u8>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).ok()?;
        Some(Self { pair, pkcs8 })
    }

    /// The public half: 32 octets in base64url without padding.
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }

    /// A JWT that opens one session. `now` is the server's time as well as it is known.
    ///
    /// # Errors
    /// When the library refuses to sign.
    pub fn sign(&self, node_id: Uuid, now: DateTime<Utc>) -> Result<String, IdentityError> {
        let now = now.timestamp();
        let claims = AgentClaims {
            iss: AGENT_ISSUER.to_owned(),
            sub: node_id,
            aud: AGENT_AUDIENCE.to_owned(),
            iat: now,
            nbf: now,
            exp: now + AGENT_TOKEN_LIFE_S,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(node_id.to_string());
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&self.pkcs8))
            .map_err(IdentityError::Sign)
    }
}

impl Identity {
    /// The identity in `state_dir`; `None` when the agent has not enrolled.
    ///
    /// # Errors
    /// When a file cannot be read or holds something else.
    pub fn load(state_dir: &Path) -> Result<Option<Self>, IdentityError> {
        let path = state_dir.join("identity.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(IdentityError::File { verb: "read", path, source }),
        };
        let IdentityFile { node_id, node } =
            serde_json::from_slice(&text).map_err(|source| IdentityError::NoIdentity { path, source })?;
        let ca_path = state_dir.join("ca.pem");
        let ca_pem = std::fs::read_to_string(&ca_path).map_err(|source| IdentityError::File {
            verb: "read",
            path: ca_path,
            source,
        })?;
        Ok(Some(Self { node_id, node, ca_pem }))
    }

    /// Who counts the revisions of this node.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let digest = Sha256::digest(&self.ca_pem);
        Origin {
            node_id: self.node_id,
            authority: digest.iter().map(|octet| format!("{octet:02x}")).collect(),
        }
    }

    /// Stores what the server answered. The authority goes first: where there is an identity, there is one.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn store(state_dir: &Path, enrolment: Enrolment) -> Result<Self, IdentityError> {
        let Enrolment { node_id, node, ca_pem } = enrolment;
        let write = |name: &str, contents: &[u8], mode| {
            let path = state_dir.join(name);
            durable_file::replace(&path, contents, mode).map_err(|source| IdentityError::File {
                verb: "write",
                path,
                source,
            })
        };
        write("ca.pem", ca_pem.as_bytes(), durable_file::PUBLIC)?;
        let file = serde_json::json!({ "node_id": node_id, "node": node }).to_string();
        write("identity.json", file.as_bytes(), durable_file::PRIVATE)?;
        Ok(Self { node_id, node, ca_pem })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    #[test]
    fn the_key_is_made_once_and_only_its_user_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let first = AgentKey::load_or_make(directory.path()).unwrap().public_key();
        assert_eq!(AgentKey::load_or_make(directory.path()).unwrap().public_key(), first);
        assert_eq!(first.len(), 43);
        let mode = std::fs::metadata(directory.path().join("identity.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_could_read_is_closed_to_them() {
        let directory = tempfile::tempdir().unwrap();
        let first = AgentKey::load_or_make(directory.path()).unwrap().public_key();
        let path = directory.path().join("identity.key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(AgentKey::load_or_make(directory.path()).unwrap().public_key(), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_that_holds_something_else_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("identity.key"), "no key").unwrap();
        assert!(matches!(AgentKey::load_or_make(directory.path()), Err(IdentityError::NoKey(_))));
        assert_eq!(std::fs::read(directory.path().join("identity.key")).unwrap(), b"no key");
    }

    #[test]
    fn a_jwt_names_the_node_lives_a_minute_and_verifies_with_the_public_key() {
        let directory = tempfile::tempdir().unwrap();
        let key = AgentKey::load_or_make(directory.path()).unwrap();
        let node = Uuid::new_v4();
        let now = Utc::now();
        let token = key.sign(node, now).unwrap();

        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.alg, header.kid), (Algorithm::EdDSA, Some(node.to_string())));
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[AGENT_AUDIENCE]);
        let verifier = DecodingKey::from_ed_components(&key.public_key()).unwrap();
        let claims = jsonwebtoken::decode::<AgentClaims>(&token, &verifier, &validation).unwrap().claims;
        assert_eq!((claims.sub, claims.iss.as_str()), (node, AGENT_ISSUER));
        assert_eq!((claims.iat, claims.exp), (now.timestamp(), now.timestamp() + 60));
    }

    #[test]
    fn what_was_stored_is_the_identity_from_then_on() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Identity::load(directory.path()).unwrap(), None);
        let enrolment =
            Enrolment { node_id: Uuid::new_v4(), node: "lb1".to_owned(), ca_pem: "PEM".to_owned() };
        let stored = Identity::store(directory.path(), enrolment).unwrap();
        assert_eq!(Identity::load(directory.path()).unwrap(), Some(stored));
    }
}
