//! The server's own certificate authority (ECDSA P-256, which every client accepts).

use api_types::Timestamp;
use chrono::TimeDelta;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sqlx::PgConnection;
use thiserror::Error;
use time::OffsetDateTime;

use super::Certificate;
use crate::app::Authority;
use crate::auth::{SealError, SealKey, sha256};
use crate::store::StoreError;
use crate::store::secrets::{self, CertificateRow};

/// How long the authority lives, in days.
const AUTHORITY_DAYS: i64 = 3650;
/// How long a server's certificate lives, in days.
const CERTIFICATE_DAYS: i64 = 90;
/// How much of that must be left; below, a new one is made.
const RENEW_DAYS: i64 = 30;
/// How far back a certificate begins, for clients whose clock is behind.
const BACKDATED_HOURS: i64 = 1;

const AUTHORITY_SEALED_AS: &str = "the key of the certificate authority";
const CERTIFICATE_SEALED_AS: &str = "the key of a server certificate";

/// Why there is no certificate of our own authority.
#[derive(Debug, Error)]
pub enum OwnCertificateError {
    /// The database failed.
    #[error("cannot read or write the certificates")]
    Store(#[from] StoreError),
    /// A private key cannot be sealed or opened.
    #[error("cannot seal or open the key of a certificate")]
    Seal(#[from] SealError),
    /// A certificate cannot be made; one of the configured names may be neither a DNS name nor an address.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// What is in the database is no certificate.
    #[error("the certificate in the database cannot be read")]
    Read(#[source] rustls_pki_types::pem::Error),
}

/// The certificate for `names`, from the database; made, with the authority, when it is missing or near its end.
/// To be called in a transaction that holds the lock of the secrets.
///
/// # Errors
/// [`OwnCertificateError`].
pub async fn certificate_of_own_authority(
    conn: &mut PgConnection,
    seal: &SealKey,
    names: &[String],
    now: Timestamp,
) -> Result<Certificate, OwnCertificateError> {
    let (authority_pem, authority_key) = authority(conn, seal, now).await?;
    let mut sorted = names.to_vec();
    sorted.sort();
    sorted.dedup();
    let set = sorted.join(",");
    let renewed_from = Timestamp::from(now.as_datetime() + TimeDelta::days(RENEW_DAYS));
    let row = match secrets::server_certificate(conn, &set, renewed_from).await? {
        Some(row) => row,
        None => {
            let expires_at = Timestamp::from(now.as_datetime() + TimeDelta::days(CERTIFICATE_DAYS));
            let row = issue(seal, &authority_key, sorted, now, expires_at)?;
            secrets::put_server_certificate(conn, &set, &row, expires_at).await?;
            tracing::info!(names = set, %expires_at, "made a new certificate for this server");
            row
        }
    };
    let read = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(OwnCertificateError::Read);
    let key = seal.open(CERTIFICATE_SEALED_AS, &row.sealed_private_key)?;
    Ok(Certificate {
        chain: vec![read(&row.certificate_pem)?, read(&authority_pem)?],
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)),
        authority: Authority {
            spki_sha256: sha256(&authority_key.subject_public_key_info()),
            certificate_pem: authority_pem,
        },
    })
}

async fn authority(
    conn: &mut PgConnection,
    seal: &SealKey,
    now: Timestamp,
) -> Result<(String, KeyPair), OwnCertificateError> {
    if let Some(row) = secrets::authority(conn).await? {
        let key = seal.open(AUTHORITY_SEALED_AS, &row.sealed_private_key)?;
        let key = PrivatePkcs8KeyDer::from(key);
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)?;
        return Ok((row.certificate_pem, key));
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = authority_params()?;
    params.not_before = at(now, -TimeDelta::hours(BACKDATED_HOURS));
    params.not_after = at(now, TimeDelta::days(AUTHORITY_DAYS));
    let certificate = params.self_signed(&key)?;
    let row = CertificateRow {
        certificate_pem: certificate.pem(),
        sealed_private_key: seal.seal(AUTHORITY_SEALED_AS, key.serialized_der())?,
    };
    secrets::insert_authority(conn, &row, now).await?;
    tracing::info!("made the certificate authority of this installation");
    Ok((row.certificate_pem, key))
}

/// What the authority's certificate says, the same at each start: its name is the issuer of every other.
fn authority_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "Baton certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn issue(
    seal: &SealKey,
    authority_key: &KeyPair,
    names: Vec<String>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<CertificateRow, OwnCertificateError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "baton-server");
    params.not_before = at(now, -TimeDelta::hours(BACKDATED_HOURS));
    params.not_after = at(expires_at, TimeDelta::zero());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &Issuer::new(authority_params()?, authority_key))?;
    Ok(CertificateRow {
        certificate_pem: certificate.pem(),
        sealed_private_key: seal.seal(CERTIFICATE_SEALED_AS, key.serialized_der())?,
    })
}

fn at(time: Timestamp, offset: TimeDelta) -> OffsetDateTime {
    let seconds = (time.as_datetime() + offset).timestamp();
    // Only times tens of thousands of years away have no such representation.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
