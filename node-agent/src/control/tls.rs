//! Whom an agent believes to be the server.
//!
//! Before enrolment the only thing it knows is the pin in its join token: [`pinned`] accepts a server that
//! shows a CA certificate with this very key and a certificate of its own that this CA signed for the host
//! name. After enrolment it has the CA certificate itself: [`trusting`] is ordinary verification with that
//! one authority and no other. In both cases verification ends before the first octet of anything is sent.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256};
use thiserror::Error as ThisError;

use super::join_token::CaPin;

/// The server does not show the authority that the join token names.
#[derive(ThisError)]
#[error(
    "the server shows no CA certificate with the key that the join token names: \
     this is another server, or somebody stands between"
)]
pub struct PinMismatch;

/// rustls shows errors of a verifier by their `Debug`, and this is what a person gets to read.
impl fmt::Debug for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a PEM file holds no authority.
#[derive(Debug, ThisError)]
pub enum AuthorityError {
    /// It is no PEM, or holds no certificate.
    #[error("it holds no PEM certificate")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// The certificate cannot be an authority, or TLS cannot be set up.
    #[error("its certificate cannot be used")]
    Certificate(#[source] Error),
}

/// TLS towards a server that is known only by the pin of its authority.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn pinned(pin: CaPin) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = PinnedAuthority { pin, provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS towards a server whose certificate was signed by the authority in `ca_pem`.
///
/// # Errors
/// When there is no authority in `ca_pem`.
pub fn trusting(ca_pem: &str) -> Result<ClientConfig, AuthorityError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem)? {
        roots.add(certificate).map_err(AuthorityError::Certificate)?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(AuthorityError::Certificate)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether `ca_pem` holds the authority that `pin` names.
///
/// # Errors
/// When there is no authority in `ca_pem`.
pub fn holds_authority(ca_pem: &str, pin: CaPin) -> Result<bool, AuthorityError> {
    let certificates = certificates(ca_pem)?;
    Ok(certificates.iter().any(|certificate| matches_pin(certificate, pin)))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(AuthorityError::Pem)?;
    if found.is_empty() {
        Err(AuthorityError::Pem(rustls::pki_types::pem::Error::NoItemsFound))
    } else {
        Ok(found)
    }
}

fn matches_pin(certificate: &CertificateDer<'_>, pin: CaPin) -> bool {
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|parsed| Sha256::digest(parsed.subject_public_key_info()).as_slice() == pin.0.as_slice())
}

#[derive(Debug)]
struct PinnedAuthority {
    pin: CaPin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let authority = intermediates
            .iter()
            .find(|certificate| matches_pin(certificate, self.pin))
            .ok_or_else(|| CertificateError::Other(OtherError(Arc::new(PinMismatch))))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
