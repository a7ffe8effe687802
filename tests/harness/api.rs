//! An operator's program: speaks REST to a server over TLS, trusts its CA only, and reads answers by the
//! contract.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::Page;
use api_types::problem::{MEDIA_TYPE, Problem};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::namespace::Namespace;

const PATIENCE: Duration = Duration::from_secs(10);

/// How to reach a server, and as whom.
#[derive(Debug, Clone)]
pub struct Api {
    pub(crate) namespace: Namespace,
    pub(crate) url: String,
    pub(crate) ca_pem: Vec<u8>,
    pub(crate) bearer: Option<String>,
}

/// A connection to a server that is open already, as that of a program that has just spoken to it.
#[derive(Debug)]
pub struct OpenApi {
    api: Api,
    runtime: Runtime,
    client: Client,
}

/// An answer, not yet judged.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The media type.
    pub media_type: String,
    /// The `ETag`, where there is one.
    pub etag: Option<String>,
    /// The body.
    pub body: String,
}

impl Api {
    /// The same server as another caller; `None` is nobody.
    #[must_use]
    pub fn with_bearer(&self, bearer: Option<&str>) -> Self {
        Self { bearer: bearer.map(str::to_owned), ..self.clone() }
    }

    /// Reads an object: `path` is below `/api/v1/`.
    ///
    /// # Errors
    /// When the answer is not 200 or not what the contract says.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Method::GET, path, None)?.read(&[StatusCode::OK])
    }

    /// Reads a whole list, page by page.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut query = format!("{path}{}limit=500", if path.contains('?') { '&' } else { '?' });
        loop {
            let page: Page<T> = self.get(&query)?;
            items.extend(page.items);
            let Some(cursor) = page.next_cursor else { return Ok(items) };
            query = format!("{path}{}limit=500&cursor={cursor}", if path.contains('?') { '&' } else { '?' });
        }
    }

    /// Creates an object by `POST`.
    ///
    /// # Errors
    /// When the answer is not 201 or not what the contract says.
    pub fn create<T: DeserializeOwned>(&self, path: &str, spec: &impl Serialize) -> Result<T> {
        self.send(Method::POST, path, Some(&serde_json::to_value(spec)?))?.read(&[StatusCode::CREATED])
    }

    /// Connects, and keeps the connection.
    ///
    /// # Errors
    /// When the server is not ready.
    pub fn open(&self) -> Result<OpenApi> {
        let (runtime, client) = self.client()?;
        let open = OpenApi { api: self.clone(), runtime, client };
        let reply = open.exchange(Method::GET, format!("{}/readyz", self.url), None)?;
        ensure!(reply.status == StatusCode::OK, "{reply:?}");
        Ok(open)
    }

    /// Creates or replaces an object by `PUT`.
    ///
    /// # Errors
    /// When the answer is neither 200 nor 201 or not what the contract says.
    pub fn put<T: DeserializeOwned>(&self, path: &str, spec: &impl Serialize) -> Result<T> {
        let body = serde_json::to_value(spec)?;
        self.send(Method::PUT, path, Some(&body))?.read(&[StatusCode::OK, StatusCode::CREATED])
    }

    /// Removes an object.
    ///
    /// # Errors
    /// When the answer is not 204.
    pub fn delete(&self, path: &str) -> Result<()> {
        let reply = self.send(Method::DELETE, path, None)?;
        ensure!(reply.status == StatusCode::NO_CONTENT, "{reply:?}");
        Ok(())
    }

    /// A request that must be refused, and the problem it is refused with.
    ///
    /// # Errors
    /// When it is not refused with a 4xx, or not as a problem.
    pub fn refused(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Problem> {
        let reply = self.send(method, path, body)?;
        ensure!(reply.status.is_client_error(), "not refused: {reply:?}");
        ensure!(reply.media_type.starts_with(MEDIA_TYPE), "no problem document: {reply:?}");
        let problem: Problem = serde_json::from_str(&reply.body)?;
        ensure!(problem.status == reply.status.as_u16(), "two statuses: {reply:?}");
        Ok(problem)
    }

    /// Sends a request from the namespace of the server, over a connection of its own.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply> {
        let url = format!("{}/api/v1/{path}", self.url);
        self.namespace.enter(|| self.exchange(method, url, body))?
    }

    /// Whether the server says that it is ready.
    ///
    /// # Errors
    /// Says what it answers instead.
    pub fn is_ready(&self) -> Result<()> {
        let url = format!("{}/readyz", self.url);
        let reply = self.namespace.enter(|| self.exchange(Method::GET, url, None))??;
        ensure!(reply.status == StatusCode::OK, "{reply:?}");
        Ok(())
    }

    fn exchange(&self, method: Method, url: String, body: Option<&Value>) -> Result<Reply> {
        let (runtime, client) = self.client()?;
        runtime.block_on(exchange(&client, self.bearer.as_deref(), method, url, body))
    }

    fn client(&self) -> Result<(Runtime, Client)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let authority = Certificate::from_pem(&self.ca_pem)?;
        let client = Client::builder().no_proxy().tls_certs_only([authority]).timeout(PATIENCE).build()?;
        Ok((runtime, client))
    }
}

impl OpenApi {
    /// [`Api::create`] over this connection.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub fn create<T: DeserializeOwned>(&self, path: &str, spec: &impl Serialize) -> Result<T> {
        let (url, body) = (format!("{}/api/v1/{path}", self.api.url), serde_json::to_value(spec)?);
        self.exchange(Method::POST, url, Some(&body))?.read(&[StatusCode::CREATED])
    }

    fn exchange(&self, method: Method, url: String, body: Option<&Value>) -> Result<Reply> {
        let Self { api, runtime, client } = self;
        let exchanged = || runtime.block_on(exchange(client, api.bearer.as_deref(), method, url, body));
        // Where the server has closed the connection meanwhile, there is another one.
        api.namespace.enter(exchanged)?
    }
}

async fn exchange(
    client: &Client,
    bearer: Option<&str>,
    method: Method,
    url: String,
    body: Option<&Value>,
) -> Result<Reply> {
    let mut request = client.request(method, &url);
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.with_context(|| format!("no answer from {url}"))?;
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    let media_type = header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let (status, etag) = (response.status(), header("etag"));
    Ok(Reply { status, media_type, etag, body: response.text().await? })
}

impl Reply {
    fn read<T: DeserializeOwned>(&self, expected: &[StatusCode]) -> Result<T> {
        ensure!(expected.contains(&self.status), "answered {}: {}", self.status, self.body);
        serde_json::from_str(&self.body).with_context(|| format!("not of the contract: {}", self.body))
    }
}
