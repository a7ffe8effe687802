//! A certificate from configured files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use webpki::EndEntityCert;

use super::Certificate;
use crate::app::Authority;
use crate::auth::sha256;
use crate::config::TlsFiles;

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum FilesError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds no such thing.
    #[error("{path} holds no {what} in PEM")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why not.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The authority's certificate cannot be understood.
    #[error("the certificate in {path} cannot be understood")]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: webpki::Error,
    },
}

/// Reads the files.
///
/// # Errors
/// [`FilesError`], naming the file.
pub fn certificate_from_files(files: &TlsFiles) -> Result<Certificate, FilesError> {
    let mut chain = CertificateDer::pem_slice_iter(&read(&files.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(not_pem(&files.certificate, "certificate"))?;
    let key =
        PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(not_pem(&files.key, "private key"))?;
    let ca_pem = read(&files.ca)?;
    let ca = CertificateDer::from_pem_slice(&ca_pem).map_err(not_pem(&files.ca, "certificate"))?;
    let parsed = EndEntityCert::try_from(&ca)
        .map_err(|source| FilesError::Authority { path: files.ca.clone(), source })?;
    let spki_sha256 = sha256(&parsed.subject_public_key_info());
    if !chain.contains(&ca) {
        chain.push(ca);
    }
    let certificate_pem = String::from_utf8_lossy(&ca_pem).into_owned();
    Ok(Certificate { chain, key, authority: Authority { certificate_pem, spki_sha256 } })
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    fs::read(path).map_err(|source| FilesError::Read { path: path.to_owned(), source })
}

fn not_pem(path: &Path, what: &'static str) -> impl FnOnce(rustls_pki_types::pem::Error) -> FilesError {
    let path = path.to_owned();
    move |source| FilesError::Pem { path, what, source }
}
