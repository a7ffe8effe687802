//! Whether a GET request is answered as expected, over TCP or TLS. Redirects are not followed.

use std::net::SocketAddr;
use std::sync::Arc;

use api_types::check::{HttpUrl, Probe, StatusCodes};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use regex::bytes::{Regex, RegexBuilder};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};

use super::tcp::{self, word};
use super::{Host, Outcome};

/// How much of a body is looked at, in octets.
const BODY: usize = 64 * 1024;
/// How much memory an expression may take: one that takes more could keep a processor busy with one body for long.
const EXPRESSION: usize = 256 * 1024;
/// The longest expression, in characters.
const LONGEST_EXPRESSION: usize = 500;
/// What is read of an answer before its body begins, in octets and in lines.
const HEAD: usize = 32 * 1024;
const HEADERS: usize = 100;

#[derive(Debug)]
pub(in super::super) struct Http {
    url: HttpUrl,
    host: HeaderValue,
    /// The name in the certificate.
    server_name: ServerName<'static>,
    expected: Vec<StatusCodes>,
    body: Option<Arc<Regex>>,
    verifies: bool,
}

impl Http {
    /// Refuses what is not well-formed, and says in which field.
    pub(in super::super) fn new(probe: &Probe) -> Result<Self, String> {
        let Probe::Http { url, host, expected_status, body_match, verify_certificate } = probe else {
            return Err("it is no http check".to_owned());
        };
        let authority = host.clone().unwrap_or_else(|| url.authority());
        let bad_host = |authority: &str| format!("host: {authority:?} is no name of a host");
        let header = HeaderValue::from_str(&authority).map_err(|_| bad_host(&authority))?;
        let server_name = match host {
            Some(host) => {
                let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).to_owned();
                ServerName::try_from(name).map_err(|_| bad_host(&authority))?
            }
            None => ServerName::from(url.address()),
        };
        let body = body_match.as_deref().map(expression).transpose()?;
        Ok(Self {
            url: url.clone(),
            host: header,
            server_name,
            expected: expected_status.clone(),
            body: body.map(Arc::new),
            verifies: *verify_certificate,
        })
    }

    pub(super) async fn run(&self, host: &Host) -> Outcome {
        let target = SocketAddr::from((self.url.address(), self.url.port()));
        let stream = tcp::connect(target, host).await?;
        if self.url.is_secure() {
            let connector = host.tls.connector(self.verifies).await?;
            let stream = connector.connect(self.server_name.clone(), stream).await;
            let stream = stream.map_err(|error| format!("TLS: {} at {target}", word(&error)))?;
            self.ask(stream, target).await
        } else {
            self.ask(stream, target).await
        }
    }

    async fn ask(&self, stream: impl AsyncRead + AsyncWrite + Unpin, target: SocketAddr) -> Outcome {
        let failed = |error: hyper::Error| format!("{error} at {target}");
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD).max_headers(HEADERS);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let request = Request::get(self.url.path())
            .header(HOST, self.host.clone())
            .header(USER_AGENT, concat!("baton-agent/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "*/*")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            self.judge(response, target).await
        };
        let (mut exchange, mut connection) = (std::pin::pin!(exchange), std::pin::pin!(connection));
        let mut is_closed = false;
        loop {
            tokio::select! {
                biased;
                outcome = &mut exchange => return outcome,
                // What has come already can still be read.
                _closed = &mut connection, if !is_closed => is_closed = true,
            }
        }
    }

    async fn judge(&self, response: Response<Incoming>, target: SocketAddr) -> Outcome {
        let status = response.status().as_u16();
        if !self.expected.iter().any(|codes| codes.contain(status)) {
            return Err(format!("status {status} at {target}"));
        }
        let Some(expression) = self.body.clone() else { return Ok(format!("status {status} at {target}")) };
        let mut body = response.into_body();
        let mut begin = Vec::new();
        while begin.len() < BODY
            && let Some(frame) = body.frame().await
        {
            let frame = frame.map_err(|error| format!("{error} at {target}"))?;
            let data = frame.data_ref().map(Bytes::as_ref).unwrap_or_default();
            let room = BODY - begin.len();
            begin.extend_from_slice(data.get(..room).unwrap_or(data));
        }
        let looking = tokio::task::spawn_blocking(move || expression.is_match(&begin));
        match looking.await {
            Ok(true) => Ok(format!("status {status} and body_match found at {target}")),
            Ok(false) => Err(format!("status {status}, but body_match is not found in the body at {target}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn expression(text: &str) -> Result<Regex, String> {
    if text.chars().count() > LONGEST_EXPRESSION {
        return Err(format!("body_match: it is too long: allowed are {LONGEST_EXPRESSION} characters"));
    }
    let built = RegexBuilder::new(text).size_limit(EXPRESSION).dfa_size_limit(4 * EXPRESSION).build();
    built.map_err(|error| {
        let said = error.to_string();
        // The last line says what is wrong, those before it show where.
        let why = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("body_match: {text:?} is no regular expression: {why}")
    })
}

#[cfg(test)]
mod tests;
