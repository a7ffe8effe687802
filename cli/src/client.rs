//! A thin client of the REST API over the types of the contract.
//!
//! The API token is exchanged for a short-lived JWT at the first call and again before that expires, so that
//! the long-lived secret travels once and is never written down a second time.

mod problem;
mod transport;

use std::time::{Duration, Instant};

use api_types::auth::{AccessToken, TokenExchange};
use api_types::{Page, Timestamp};
use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, AUTHORIZATION, DATE, ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use reqwest::tls::Version;
use reqwest::{Method, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

pub(crate) use self::problem::Refusal;
pub(crate) use self::transport::{RequestError, TrustError};
use crate::config::{Context, Trust};
use crate::server_url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A JWT with less than this left is exchanged before it is used.
const RENEW_BEFORE: Duration = Duration::from_secs(30);
/// The largest page the server gives.
const PAGE_LIMIT: usize = 500;

/// A server, and who we are to it.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    context: Context,
    session: Mutex<Option<Session>>,
}

struct Session {
    bearer: SecretString,
    renew_at: Instant,
}

/// An object as it is now.
pub(crate) struct Found<T> {
    pub(crate) object: T,
    /// To be sent back as `If-Match`.
    pub(crate) etag: String,
}

/// What must be true on the server for a write to be done.
#[derive(Debug, Clone)]
pub(crate) enum Precondition {
    /// The object has not changed since it was read.
    Unchanged { etag: String },
    /// There is no object of this name.
    Absent,
}

/// The items of a list, and whether there were more than asked for.
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    pub(crate) more: bool,
    /// When the server gave the last of them, by its own clock; by ours where it does not say.
    pub(crate) at: Timestamp,
}

/// What we read of the API document.
#[derive(Deserialize)]
struct ApiDocument {
    info: ApiInfo,
}

#[derive(Deserialize)]
struct ApiInfo {
    version: String,
}

impl Client {
    /// A client for the server of `context`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`RequestError::Trust`] when the URL or the CA cannot be used.
    pub(crate) fn new(context: Context) -> Result<Self, RequestError> {
        let base = server_url::parse(&context.server).map_err(TrustError::Url)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("baton-cli/", env!("CARGO_PKG_VERSION")))
            .https_only(true)
            .tls_version_min(Version::TLS_1_3)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT);
        if let Trust::Only { pem, origin } = &context.trust {
            builder = builder.tls_certs_only(transport::certificates(pem, origin)?);
        }
        let http = builder.build().map_err(|source| TrustError::Tls { source })?;
        Ok(Self { http, base, context, session: Mutex::new(None) })
    }

    /// The object at `path`, below `/api/v1/`.
    ///
    /// # Errors
    /// [`RequestError`]; a missing object is one with status 404.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, RequestError> {
        let url = self.url(path, &[]);
        let response = self.accepted(Method::GET, &url, None::<&()>, None).await?;
        read(&url, response).await
    }

    /// The version of the server's software, from its API document; no token is sent.
    ///
    /// # Errors
    /// [`RequestError`] when the server does not say.
    pub(crate) async fn server_version(&self) -> Result<String, RequestError> {
        let url = self.url(&["openapi.json"], &[]);
        let document: ApiDocument =
            read(&url, self.sent(&Method::GET, &url, self.http.get(url.clone())).await?).await?;
        Ok(document.info.version)
    }

    /// The object at `path` with its ETag, or `None` when there is none.
    ///
    /// # Errors
    /// [`RequestError`], a 404 excepted.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<Option<Found<T>>, RequestError> {
        let url = self.url(path, &[]);
        let response = match self.accepted(Method::GET, &url, None::<&()>, None).await {
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND.as_u16()) => return Ok(None),
            response => response?,
        };
        let Some(etag) = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned)
        else {
            return Err(RequestError::NotUnderstood {
                url: Box::new(url),
                detail: "it has no ETag".to_owned(),
            });
        };
        Ok(Some(Found { object: read(&url, response).await?, etag }))
    }

    /// The first `limit` items of a list, or all of them; follows cursors.
    ///
    /// # Errors
    /// [`RequestError`] of the first page that could not be had.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        filters: &[(&str, &str)],
        limit: Option<usize>,
    ) -> Result<List<T>, RequestError> {
        let mut items: Vec<T> = Vec::new();
        let mut cursor: Option<String> = None;
        let mut at = Timestamp::from(Utc::now());
        loop {
            let wanted = limit.map_or(PAGE_LIMIT, |limit| (limit - items.len().min(limit)).min(PAGE_LIMIT));
            if wanted == 0 {
                return Ok(List { items, more: true, at });
            }
            let wanted = wanted.to_string();
            let mut query = vec![("limit", wanted.as_str())];
            query.extend_from_slice(filters);
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let url = self.url(path, &query);
            let response = self.accepted(Method::GET, &url, None::<&()>, None).await?;
            at = answered_at(&response).unwrap_or(at);
            let page: Page<T> = read(&url, response).await?;
            items.extend(page.items);
            match page.next_cursor {
                None => return Ok(List { items, more: false, at }),
                same if same == cursor => {
                    let detail = "the cursor of the next page is that of this page".to_owned();
                    return Err(RequestError::NotUnderstood { url: Box::new(url), detail });
                }
                next => cursor = next,
            }
        }
    }

    /// Creates or replaces the object at `path`. Returns what it is now; `None` where the answer is not
    /// understood, for it is written all the same.
    ///
    /// # Errors
    /// [`RequestError`]; a precondition that does not hold is one with status 412.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
        precondition: &Precondition,
    ) -> Result<Option<T>, RequestError> {
        let url = self.url(path, &[]);
        let response = self.accepted(Method::PUT, &url, Some(body), Some(precondition)).await?;
        Ok(read(&url, response).await.ok())
    }

    /// Makes what is at `path` be what `body` says, whatever it was.
    ///
    /// # Errors
    /// [`RequestError`] when it was refused.
    pub(crate) async fn set<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<T, RequestError> {
        let url = self.url(path, query);
        let response = self.accepted(Method::PUT, &url, Some(body), None).await?;
        read(&url, response).await
    }

    /// Creates what `body` says.
    ///
    /// # Errors
    /// [`RequestError`] when it was refused.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, RequestError> {
        let url = self.url(path, &[]);
        let response = self.accepted(Method::POST, &url, Some(body), None).await?;
        read(&url, response).await
    }

    /// Removes the object at `path`.
    ///
    /// # Errors
    /// [`RequestError`]; a missing object is one with status 404.
    pub(crate) async fn delete(&self, path: &[&str], query: &[(&str, &str)]) -> Result<(), RequestError> {
        self.accepted(Method::DELETE, &self.url(path, query), None::<&()>, None).await.map(drop)
    }

    /// The URL of `path` below `/api/v1/`; what people typed is escaped, segment by segment.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// One authenticated request whose answer is a success.
    async fn accepted(
        &self,
        method: Method,
        url: &Url,
        body: Option<&impl Serialize>,
        precondition: Option<&Precondition>,
    ) -> Result<Response, RequestError> {
        let bearer = self.bearer().await?;
        let mut request = self.http.request(method.clone(), url.clone()).header(AUTHORIZATION, bearer);
        request = match precondition {
            Some(Precondition::Unchanged { etag }) => request.header(IF_MATCH, etag),
            Some(Precondition::Absent) => request.header(IF_NONE_MATCH, "*"),
            None => request,
        };
        if let Some(body) = body {
            request = request.json(body);
        }
        self.sent(&method, url, request).await
    }

    async fn bearer(&self) -> Result<HeaderValue, RequestError> {
        let mut session = self.session.lock().await;
        let bearer = match &*session {
            Some(Session { bearer, renew_at }) if Instant::now() < *renew_at => bearer.clone(),
            Some(_) | None => {
                let fresh = self.exchange().await?;
                let bearer = fresh.bearer.clone();
                *session = Some(fresh);
                bearer
            }
        };
        let mut header = HeaderValue::try_from(format!("Bearer {}", bearer.expose_secret()))
            .map_err(|_| TrustError::Token)?;
        header.set_sensitive(true);
        Ok(header)
    }

    async fn exchange(&self) -> Result<Session, RequestError> {
        let url = self.url(&["auth", "token"], &[]);
        let body = TokenExchange { token: self.context.token.secret.expose_secret().to_owned() };
        let request = self.http.post(url.clone()).json(&body);
        let token: AccessToken = read(&url, self.sent(&Method::POST, &url, request).await?).await?;
        let life = Duration::from_secs(u64::try_from(token.expires_in).unwrap_or(0));
        Ok(Session {
            bearer: SecretString::from(token.access_token),
            renew_at: Instant::now() + life.saturating_sub(RENEW_BEFORE),
        })
    }

    async fn sent(
        &self,
        method: &Method,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, RequestError> {
        let response = request
            .header(ACCEPT, "application/json, application/problem+json")
            .send()
            .await
            .map_err(|source| transport::unreachable(&self.context, source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let asked = format!("{method} {}", url.path());
        let refusal = Box::new(problem::refusal(asked, response).await);
        if refusal.status() != StatusCode::UNAUTHORIZED {
            return Err(RequestError::Refused(refusal));
        }
        let (origin, server) = (self.context.token.origin.clone(), self.context.server.clone());
        Err(RequestError::NotKnown { origin, server, refusal })
    }
}

/// The server's time, to the second.
fn answered_at(response: &Response) -> Option<Timestamp> {
    let date = response.headers().get(DATE)?.to_str().ok()?;
    let time = DateTime::parse_from_rfc2822(date).ok()?;
    Some(time.with_timezone(&Utc).into())
}

async fn read<T: DeserializeOwned>(url: &Url, response: Response) -> Result<T, RequestError> {
    let refuse = |detail: String| RequestError::NotUnderstood { url: Box::new(url.clone()), detail };
    let text = response.text().await.map_err(|error| refuse(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))
}
