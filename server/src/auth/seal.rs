//! Seals private keys before they go into the database (AES-256-GCM), with a key that never does.
//!
//! The key is 32 random octets in `state_dir/server.key` (mode 0600). Servers that share a database share this
//! file; a copy of the database without it opens nothing.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore;
use thiserror::Error;

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;

/// Seals and opens.
#[derive(Debug)]
pub struct SealKey(RandomizedNonceKey);

/// Why something could not be sealed or opened.
#[derive(Debug, Error)]
pub enum SealError {
    /// The key file cannot be read or written.
    #[error("cannot use the key file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key file holds something else.
    #[error("{path} does not hold a key: 32 octets in base64 are expected")]
    NotAKey {
        /// Which.
        path: PathBuf,
    },
    /// What is in the database was sealed with another key.
    #[error("{what} in the database was sealed with another key: use the server.key it was made with")]
    WrongKey {
        /// What was to be opened.
        what: &'static str,
    },
    /// The cryptographic library refused.
    #[error("sealing failed")]
    Crypto,
}

impl SealKey {
    /// The key in the file `path`; makes the file when it is not there.
    ///
    /// # Errors
    /// [`SealError`] when the file cannot be read, written or understood.
    pub fn load_or_create(path: &Path) -> Result<Self, SealError> {
        let failed = |source| SealError::File { path: path.to_owned(), source };
        match create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let not_a_key = || SealError::NotAKey { path: path.to_owned() };
        let octets = STANDARD.decode(text.trim()).map_err(|_| not_a_key())?;
        Self::from_octets(&octets).ok_or_else(not_a_key)
    }

    /// A key from its 32 octets.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, octets).ok().map(Self)
    }

    /// Seals `secret`; `what` is bound to it, so that one sealed thing cannot pass for another.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn seal(&self, what: &'static str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(what.as_bytes()), &mut sealed)
            .map_err(|_| SealError::Crypto)?;
        let nonce: &[u8; NONCE_LENGTH] = nonce.as_ref();
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Self::seal`] sealed.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] when it was sealed with another key or as something else, or was damaged.
    pub fn open(&self, what: &'static str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let wrong = || SealError::WrongKey { what };
        let (nonce, rest) = sealed.split_at_checked(NONCE_LENGTH).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut opened = rest.to_vec();
        let secret =
            self.0.open_in_place(nonce, Aad::from(what.as_bytes()), &mut opened).map_err(|_| wrong())?;
        Ok(secret.to_vec())
    }
}

/// Makes the key file; it is complete on disk before it has its name, and never replaces another.
fn create(path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    let mut key = [0_u8; KEY_LENGTH];
    rand::rng().fill_bytes(&mut key);
    let draft = path.with_extension(format!("key.{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", STANDARD.encode(key))?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_purpose_only() {
        let key = SealKey::from_octets(&[1; 32]).unwrap();
        let sealed = key.seal("the CA", b"secret").unwrap();
        assert_eq!(key.open("the CA", &sealed).unwrap(), b"secret");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));

        assert!(key.open("a signing key", &sealed).is_err());
        assert!(SealKey::from_octets(&[2; 32]).unwrap().open("the CA", &sealed).is_err());
        let mut damaged = sealed;
        damaged[15] ^= 1;
        assert!(key.open("the CA", &damaged).is_err());
        assert!(key.open("the CA", b"short").is_err());
    }

    #[test]
    fn the_key_file_is_made_once_and_only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.key");
        let sealed = SealKey::load_or_create(&path).unwrap().seal("it", b"secret").unwrap();
        assert_eq!(SealKey::load_or_create(&path).unwrap().open("it", &sealed).unwrap(), b"secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::write(&path, "not a key").unwrap();
        assert!(matches!(SealKey::load_or_create(&path), Err(SealError::NotAKey { .. })));
    }
}
