//! Why a server could not be asked at all, and what to do about it.

use std::error::Error;
use std::io;

use reqwest::{Certificate, Url};
use rustls::{AlertDescription, CertificateError};
use thiserror::Error;

use super::problem::Refusal;
use crate::config::{Context, Trust};
use crate::server_url::UrlError;

/// Why a request brought no answer that could be used.
#[derive(Debug, Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("{server} cannot be reached: {cause}")]
    Unreachable {
        server: String,
        cause: Cause,
        /// Only where the cause says nothing.
        #[source]
        source: Option<reqwest::Error>,
    },
    #[error("{server} cannot be trusted: {cause}")]
    Untrusted { server: String, cause: Distrust },
    #[error("{origin} is not accepted by {server}: {}", not_known(.refusal))]
    NotKnown { origin: String, server: String, refusal: Box<Refusal> },
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("the answer of {url} is not understood: {detail}")]
    NotUnderstood { url: Box<Url>, detail: String },
}

fn not_known(refusal: &Refusal) -> String {
    let remedy = "log in with a new one, which an admin makes with `baton token create NAME --role ROLE`";
    let request = refusal.request_id().map(|id| format!(" (request {id})")).unwrap_or_default();
    format!("{}; {remedy}{request}", refusal.detail())
}

/// Why no request can be made.
#[derive(Debug, Error)]
pub(crate) enum TrustError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("{origin} holds no certificate: a CA file has one or more blocks -----BEGIN CERTIFICATE-----")]
    NoCertificate { origin: String },
    #[error("{origin} holds a certificate that cannot be read")]
    Certificate {
        origin: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("TLS cannot be set up")]
    Tls {
        #[source]
        source: reqwest::Error,
    },
    #[error("the token holds characters that cannot be sent")]
    Token,
}

/// What stood in the way, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Cause {
    #[error("nothing listens there")]
    NothingListens,
    #[error("its name is not known")]
    UnknownName,
    #[error("it does not answer in time")]
    Timeout,
    #[error("it does not speak TLS")]
    NotTls,
    #[error("it does not speak TLS 1.3")]
    OldTls,
    #[error("the connection failed")]
    Other,
}

/// Why the certificate of the server was refused, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Distrust {
    #[error(
        "its certificate is signed by no CA in {trusted}; give the CA of this server with --ca FILE or \
         BATON_CA (a server with a CA of its own writes it to ca.pem in its state directory)"
    )]
    Issuer { trusted: String },
    #[error(
        "its certificate is for {names}, not for {host}; use one of these names in --server or \
         BATON_SERVER, or add {host} to `names` in server.toml"
    )]
    Name { host: String, names: String },
    #[error(
        "its certificate has expired, or is not valid yet, by this machine's clock; check the clocks of both \
         machines, then the certificate"
    )]
    Time,
}

impl RequestError {
    /// The status of the answer; `None` when there was none, or none that could be read.
    pub(crate) fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status().as_u16())
    }

    /// The answer that refused, if that is what happened.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::NotKnown { refusal, .. } => Some(refusal),
            Self::Trust(_)
            | Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::NotUnderstood { .. } => None,
        }
    }

    /// The refusal, when what was asked for is not there.
    pub(crate) fn not_found(&self) -> Option<&Refusal> {
        self.refusal().filter(|refusal| refusal.code() == Some("not_found"))
    }

    /// What to do next, where that can be said and the error does not say it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => refusal.hint(),
            Self::Unreachable { cause, .. } => Some(cause.hint().to_owned()),
            Self::NotUnderstood { .. } => Some(
                "server and command line are of different versions, or it is not a Baton server: \
                      compare `baton version`"
                    .to_owned(),
            ),
            Self::Trust(_) | Self::Untrusted { .. } | Self::NotKnown { .. } => None,
        }
    }
}

impl Cause {
    const fn hint(self) -> &'static str {
        match self {
            Self::NothingListens => {
                "is baton-server running there, and is the port right? VIPs are served without it"
            }
            Self::UnknownName => "check the host in --server or BATON_SERVER",
            Self::Timeout => "check the address and the firewalls on the way",
            Self::NotTls | Self::OldTls => "check the port: something else may listen there",
            Self::Other => "check the URL and the way to the server",
        }
    }
}

/// The certificates of a CA file; at least one.
pub(super) fn certificates(pem: &str, origin: &str) -> Result<Vec<Certificate>, TrustError> {
    let certificates = Certificate::from_pem_bundle(pem.as_bytes())
        .map_err(|source| TrustError::Certificate { origin: origin.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TrustError::NoCertificate { origin: origin.to_owned() });
    }
    Ok(certificates)
}

/// What an error of the HTTP client means.
pub(super) fn unreachable(context: &Context, source: reqwest::Error) -> RequestError {
    let server = context.server.clone();
    if source.is_timeout() {
        return RequestError::Unreachable { server, cause: Cause::Timeout, source: None };
    }
    match found_in(&source, &context.trust) {
        Some(Found::Cause(cause)) => RequestError::Unreachable { server, cause, source: None },
        Some(Found::Distrust(cause)) => RequestError::Untrusted { server, cause },
        None => RequestError::Unreachable { server, cause: Cause::Other, source: Some(source.without_url()) },
    }
}

/// What the chain of an error comes down to.
enum Found {
    Cause(Cause),
    Distrust(Distrust),
}

/// The first error in the chain that says more than "it failed".
fn found_in(error: &(dyn Error + 'static), trust: &Trust) -> Option<Found> {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if let Some(found) = of_tls(error, trust).or_else(|| of_io(io?, trust)) {
            return Some(found);
        }
        if error.to_string().contains("dns error") {
            return Some(Found::Cause(Cause::UnknownName));
        }
        next = error.source();
    }
    None
}

fn of_io(error: &io::Error, trust: &Trust) -> Option<Found> {
    // The error inside an io::Error is not its source.
    if let Some(inner) = error.get_ref() {
        let inner: &(dyn Error + 'static) = inner;
        return of_tls(inner, trust).or_else(|| of_io(inner.downcast_ref::<io::Error>()?, trust));
    }
    (error.kind() == io::ErrorKind::ConnectionRefused).then_some(Found::Cause(Cause::NothingListens))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the errors of TLS that are told apart are few of many")]
fn of_tls(error: &(dyn Error + 'static), trust: &Trust) -> Option<Found> {
    Some(match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(certificate) => Found::Distrust(distrust(certificate, trust)?),
        rustls::Error::InvalidMessage(_) => Found::Cause(Cause::NotTls),
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => Found::Cause(Cause::OldTls),
        _ => return None,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the faults of certificates that are told apart are few of many"
)]
fn distrust(error: &CertificateError, trust: &Trust) -> Option<Distrust> {
    Some(match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Distrust::Issuer {
            trusted: match trust {
                Trust::System => "the store of this machine".to_owned(),
                Trust::Only { origin, .. } => origin.clone(),
            },
        },
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            Distrust::Name { host: expected.to_str().into_owned(), names: names.join(", ") }
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Distrust::Time,
        _ => return None,
    })
}

/// `localhost` of `DnsName("localhost")`, as the TLS library writes the names of a certificate.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_a_certificate_is_refused_by_name() {
        let error = certificates("not a certificate", "/tmp/ca.pem").expect_err("no block");
        assert_eq!(
            error.to_string(),
            "/tmp/ca.pem holds no certificate: a CA file has one or more blocks -----BEGIN CERTIFICATE-----"
        );
    }
}
