//! Making the connection of a session: TCP, TLS with the one authority that is trusted, WebSocket upgrade.

use std::time::Duration;

use api_types::Timestamp;
use api_types::channel::SUBPROTOCOL;
use api_types::problem::Problem;
use chrono::{DateTime, Utc};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, DATE, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response, StatusCode};
use tokio_tungstenite::tungstenite::{self};

use super::session::websocket_config;
use crate::config::ServerUrl;

/// How long each step may take.
const STEP: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the server did not answer within {seconds} s while {0}", seconds = STEP.as_secs())]
    Timeout(&'static str),
    #[error("TLS failed")]
    Tls(#[source] std::io::Error),
    #[error("{0:?} is not a host name that a certificate can be checked for")]
    HostName(String),
    #[error("the server refused this agent (HTTP 401): {detail}")]
    Unauthenticated {
        /// The server's clock, so that an agent whose clock is wrong can sign again.
        server_time: Option<DateTime<Utc>>,
        detail: String,
    },
    #[error("the server refused the session (HTTP {status}): {detail}")]
    Refused { status: StatusCode, detail: String },
    #[error("the server does not speak {SUBPROTOCOL}")]
    Upgrade(#[source] Box<tungstenite::Error>),
    #[error("the JWT cannot stand in a header")]
    Token,
}

/// Connects to a server as the bearer of a JWT.
pub(crate) async fn dial(
    url: &ServerUrl,
    tls: &TlsConnector,
    token: &str,
) -> Result<WebSocketStream<TlsStream<TcpStream>>, DialError> {
    let name = ServerName::try_from(url.host().to_owned())
        .map_err(|_| DialError::HostName(url.host().to_owned()))?;
    let tcp = within("connecting", TcpStream::connect((url.host(), url.port())))
        .await?
        .map_err(DialError::Connect)?;
    tcp.set_nodelay(true).map_err(DialError::Connect)?;
    let stream = within("setting up TLS", tls.connect(name, tcp)).await?.map_err(DialError::Tls)?;

    let upgrade = |error| DialError::Upgrade(Box::new(error));
    let mut request =
        format!("wss://{}/api/v1/agent/session", url.authority()).into_client_request().map_err(upgrade)?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| DialError::Token)?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));

    let upgraded = tokio_tungstenite::client_async_with_config(request, stream, Some(websocket_config()));
    match within("opening the session", upgraded).await? {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(refusal(&response)),
        Err(error) => Err(upgrade(error)),
    }
}

async fn within<F: Future>(step: &'static str, future: F) -> Result<F::Output, DialError> {
    tokio::time::timeout(STEP, future).await.map_err(|_| DialError::Timeout(step))
}

/// What an answer other than 101 says.
fn refusal(response: &Response<Option<Vec<u8>>>) -> DialError {
    #[derive(Deserialize)]
    struct WithTime {
        server_time: Timestamp,
    }
    let status = response.status();
    let body = response.body().as_deref().unwrap_or_default();
    let detail =
        serde_json::from_slice::<Problem>(body).map_or_else(|_| "no reason given".to_owned(), |p| p.detail);
    if status != StatusCode::UNAUTHORIZED {
        return DialError::Refused { status, detail };
    }
    let in_body = serde_json::from_slice::<WithTime>(body).ok().map(|with| with.server_time.as_datetime());
    let in_header = || {
        let date = response.headers().get(DATE)?.to_str().ok()?;
        Some(DateTime::parse_from_rfc2822(date).ok()?.to_utc())
    };
    DialError::Unauthenticated { server_time: in_body.or_else(in_header), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_told(body: &str, date: Option<&str>) -> Option<DateTime<Utc>> {
        let mut response = Response::builder().status(401);
        if let Some(date) = date {
            response = response.header(DATE, date);
        }
        let refused = refusal(&response.body(Some(body.as_bytes().to_vec())).unwrap());
        let DialError::Unauthenticated { server_time, .. } = refused else { panic!("{refused}") };
        server_time
    }

    #[test]
    fn a_401_tells_the_servers_time_in_its_body_or_else_in_its_date() {
        let exact = "2026-11-22T20:41:17.000123Z".parse::<DateTime<Utc>>().unwrap();
        let body = r#"{"server_time":"2026-11-22T20:41:17.000123Z"}"#;
        assert_eq!(time_told(body, Some("Sun, 22 Nov 2026 20:00:00 GMT")), Some(exact));
        let whole = "2026-11-22T20:41:17Z".parse::<DateTime<Utc>>().unwrap();
        assert_eq!(time_told("cut short {", Some("Sun, 22 Nov 2026 20:41:17 GMT")), Some(whole));
        assert_eq!(time_told("", None), None);
    }
}
