//! What the server proves itself with: a certificate from configured files, or from an authority of its own.
//!
//! The authority and its certificates are kept in the database, sealed, so that every server of an installation is
//! trusted alike. Only TLS 1.3 is spoken. The server sends its certificate *and* the authority's, because an agent
//! that enrols knows nothing but the hash of the authority's key.

mod authority;
mod files;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

pub use authority::{OwnCertificateError, certificate_of_own_authority};
pub use files::{FilesError, certificate_from_files};

use crate::app::Authority;
use crate::config::TlsFiles;

/// What the server proves itself with.
#[derive(Debug)]
pub struct Certificate {
    /// The server's certificate, intermediate ones, and the authority's.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the server's certificate.
    pub key: PrivateKeyDer<'static>,
    /// The authority that signed it.
    pub authority: Authority,
}

/// The certificate cannot be used.
#[derive(Debug, Error)]
#[error("the certificate and its key cannot be used for TLS")]
pub struct UnusableError(#[source] rustls::Error);

/// Why configured files cannot be used.
#[derive(Debug, Error)]
pub enum CheckError {
    /// They cannot be read.
    #[error("cannot use the configured certificate")]
    Files(#[from] FilesError),
    /// They do not belong together.
    #[error("cannot use the configured certificate")]
    Unusable(#[from] UnusableError),
}

/// Whether the files can be used, without using them.
///
/// # Errors
/// [`CheckError`], naming the file.
pub fn check_files(files: &TlsFiles) -> Result<(), CheckError> {
    certificate_from_files(files)?.server_config()?;
    Ok(())
}

impl Certificate {
    /// The settings of TLS with this certificate.
    ///
    /// # Errors
    /// [`UnusableError`] when the key is not the certificate's, or of a kind that is not supported.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, UnusableError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(UnusableError)?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(UnusableError)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
