//! Why a server could not be asked at all, and what to do about it.

use std::error::Error;
use std::io;

use reqwest::{Certificate, Url};
use rustls::CertificateError;
use thiserror::Error;

use super::problem::Refusal;
use crate::config::{Context, Trust};

/// Why a request brought no answer that could be used.
#[derive(Debug, Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("{server} cannot be reached: {cause}")]
    Unreachable {
        server: String,
        cause: Cause,
        trusted: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("the answer of {url} is not understood: {detail}")]
    NotUnderstood { url: Box<Url>, detail: String },
}

/// Why no request can be made.
#[derive(Debug, Error)]
pub(crate) enum TrustError {
    #[error("{server:?} is not the URL of a server: write it like https://baton.example:8443")]
    Url { server: String },
    #[error("{server:?} would send the API token in the clear: the URL must begin with https://")]
    Clear { server: String },
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
    #[error("its certificate is not signed by a CA that we trust")]
    UnknownIssuer,
    #[error("its certificate is for another name")]
    WrongName,
    #[error("its certificate has expired, or is not valid yet, by this machine's clock")]
    WrongTime,
    #[error("it does not speak TLS")]
    NotTls,
    #[error("the connection failed")]
    Other,
}

impl RequestError {
    /// The status of the answer; `None` when there was none, or none that could be read.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status().as_u16()),
            Self::Trust(_) | Self::Unreachable { .. } | Self::NotUnderstood { .. } => None,
        }
    }

    /// The refusal, when what was asked for is not there.
    pub(crate) fn not_found(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) if refusal.code() == Some("not_found") => Some(refusal),
            Self::Refused(_) | Self::Trust(_) | Self::Unreachable { .. } | Self::NotUnderstood { .. } => None,
        }
    }

    /// What to do next, where that can be said.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => refusal.hint(),
            Self::Unreachable { cause, trusted, .. } => Some(cause.hint(trusted)),
            Self::NotUnderstood { .. } => Some(
                "server and command line are of different versions, or it is not a Baton server: \
                      compare `baton version`"
                    .to_owned(),
            ),
            Self::Trust(_) => None,
        }
    }
}

impl Cause {
    fn hint(self, trusted: &str) -> String {
        match self {
            Self::NothingListens => {
                "is baton-server running there, and is the port right? VIPs are served without it".to_owned()
            }
            Self::UnknownName => "check the host in --server or BATON_SERVER".to_owned(),
            Self::Timeout => "check the address and the firewalls on the way".to_owned(),
            Self::UnknownIssuer => format!(
                "trusted: {trusted}. Give the CA of this server with `baton login --ca FILE` or BATON_CA; \
                 a server with its own CA writes it to ca.pem in its state directory"
            ),
            Self::WrongName => {
                "use a name that is in the certificate, or add this one to `names` in server.toml".to_owned()
            }
            Self::WrongTime => "check the clocks of both machines, then the certificate".to_owned(),
            Self::NotTls => "check the port: something else may listen there".to_owned(),
            Self::Other => "check the URL and the way to the server".to_owned(),
        }
    }
}

/// The URL of a server, to which paths can be added.
pub(super) fn server_url(server: &str) -> Result<Url, TrustError> {
    let refuse = || TrustError::Url { server: server.to_owned() };
    let url = Url::parse(server).map_err(|_| refuse())?;
    match url.scheme() {
        "https" if url.has_host() && url.query().is_none() && url.fragment().is_none() => Ok(url),
        "http" => Err(TrustError::Clear { server: server.to_owned() }),
        _ => Err(refuse()),
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

pub(super) fn unreachable(context: &Context, source: reqwest::Error) -> RequestError {
    let trusted = match &context.trust {
        Trust::System => "the CAs of this machine".to_owned(),
        Trust::Only { origin, .. } => format!("only {origin}"),
    };
    let cause = if source.is_timeout() { Cause::Timeout } else { cause_of(&source) };
    RequestError::Unreachable { server: context.server.clone(), cause, trusted, source: source.without_url() }
}

/// The first cause in the chain that says more than "it failed".
fn cause_of(error: &(dyn Error + 'static)) -> Cause {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(cause) = of_tls(error).or_else(|| error.downcast_ref::<io::Error>().and_then(of_io)) {
            return cause;
        }
        if error.to_string().contains("dns error") {
            return Cause::UnknownName;
        }
        next = error.source();
    }
    Cause::Other
}

fn of_io(error: &io::Error) -> Option<Cause> {
    // The error inside an io::Error is not its source.
    if let Some(inner) = error.get_ref() {
        let inner: &(dyn Error + 'static) = inner;
        return of_tls(inner).or_else(|| inner.downcast_ref::<io::Error>().and_then(of_io));
    }
    (error.kind() == io::ErrorKind::ConnectionRefused).then_some(Cause::NothingListens)
}

fn of_tls(error: &(dyn Error + 'static)) -> Option<Cause> {
    let error = error.downcast_ref::<rustls::Error>()?;
    if matches!(error, rustls::Error::InvalidMessage(_)) {
        return Some(Cause::NotTls);
    }
    let rustls::Error::InvalidCertificate(certificate) = error else { return Some(Cause::Other) };
    let is_issuer = matches!(certificate, CertificateError::UnknownIssuer | CertificateError::BadSignature);
    let is_name = matches!(
        certificate,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    );
    let is_time = matches!(
        certificate,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    );
    Some(if is_issuer {
        Cause::UnknownIssuer
    } else if is_name {
        Cause::WrongName
    } else if is_time {
        Cause::WrongTime
    } else {
        Cause::Other
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_would_send_the_token_in_the_clear_is_refused() {
        assert!(matches!(server_url("http://baton.example:8443"), Err(TrustError::Clear { .. })));
        for bad in ["baton.example:8443", "baton", "", "ftp://baton.example", "https://"] {
            assert!(matches!(server_url(bad), Err(TrustError::Url { .. })), "{bad}");
        }
        assert!(server_url("https://[2001:db8::1]:8443").is_ok());
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_refused_by_name() {
        let error = certificates("not a certificate", "/tmp/ca.pem").expect_err("no block");
        assert_eq!(
            error.to_string(),
            "/tmp/ca.pem holds no certificate: a CA file has one or more blocks -----BEGIN CERTIFICATE-----"
        );
    }
}
