//! An app on a database of its own, with a clock that the test moves, and requests through the real router.

mod clock;
mod cluster;
mod request;

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_server::app::{App, Stopping};
use baton_server::config::Config;
use baton_server::router::router;
use baton_server::startup::{self, Database};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

pub(crate) use clock::TestClock;
pub(crate) use request::{Answer, Request};

use cluster::TestDatabase;

/// A server without a network around it.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) clock: TestClock,
    /// The API token that the first start wrote.
    pub(crate) admin: String,
    pub(crate) config: Config,
    router: axum::Router,
    owner: PgConnectOptions,
    _database: Option<Arc<TestDatabase>>,
    _state_dir: Arc<TempDir>,
}

impl TestApp {
    /// Started for the first time, on an empty database.
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::create().await;
        let (owner, app) = (database.owner(), database.app());
        Self { _database: Some(Arc::new(database)), ..Self::on(owner, app).await }
    }

    /// Started for the first time, on a database that the test looks after.
    pub(crate) async fn on(owner: PgConnectOptions, app: PgConnectOptions) -> Self {
        let state_dir = tempfile::tempdir().unwrap();
        let config: Config =
            toml::from_str(&format!("state_dir = {:?}\ndatabase.max_connections = 6", state_dir.path()))
                .unwrap();
        Self::prepare(config, TestClock::default(), owner, app, None, Arc::new(state_dir)).await
    }

    /// Another server of the same installation, on the same database.
    pub(crate) async fn beside(&self) -> Self {
        let app = (*self.app.db.connect_options()).clone();
        let (config, clock) = (self.config.clone(), self.clock.clone());
        let (database, state_dir) = (self._database.clone(), Arc::clone(&self._state_dir));
        Self::prepare(config, clock, self.owner.clone(), app, database, state_dir).await
    }

    async fn prepare(
        config: Config,
        clock: TestClock,
        owner: PgConnectOptions,
        app: PgConnectOptions,
        database: Option<Arc<TestDatabase>>,
        state_dir: Arc<TempDir>,
    ) -> Self {
        let at = Database { embedded: None, owner: owner.clone(), app };
        let (app, _certificate) =
            startup::prepare(&config, &at, clock.shared(), Stopping::never()).await.unwrap();
        let admin = std::fs::read_to_string(state_dir.path().join("admin-token")).unwrap().trim().to_owned();
        let router = router(app.clone());
        Self { app, clock, admin, config, router, owner, _database: database, _state_dir: state_dir }
    }

    /// A request as the admin; see [`Request`] for how to be somebody else.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.router.clone(), method, path).bearer(&self.admin)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Borrow<Value>) -> Answer {
        self.request("POST", path).json(body.borrow()).send().await
    }

    pub(crate) async fn put(&self, path: &str, body: impl Borrow<Value>) -> Answer {
        self.request("PUT", path).json(body.borrow()).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send().await
    }

    /// The secret of a new API token with this role.
    pub(crate) async fn token(&self, name: &str, role: &str) -> String {
        let answer = self.post("/api/v1/tokens", json!({"name": name, "role": role})).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.body["secret"].as_str().unwrap().to_owned()
    }

    /// The JWT for an API token.
    pub(crate) async fn exchange(&self, token: &str) -> String {
        let request = self.request("POST", "/api/v1/auth/token").anonymous();
        let answer = request.json(&json!({"token": token})).send().await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    /// The entries of the audit log, the newest first, as the API shows them.
    pub(crate) async fn audit(&self) -> Vec<Value> {
        let answer = self.get("/api/v1/audit-events?limit=500").await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body["items"].as_array().unwrap().clone()
    }

    /// A connection as the owner of the database, past the rules of the application.
    pub(crate) async fn owner(&self) -> PgConnection {
        PgConnection::connect_with(&self.owner).await.unwrap()
    }
}

/// How long a test waits for what must come; a busy machine takes its time to make a Postgres cluster.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `seen` says yes, or fails with what was waited for.
pub(crate) async fn eventually(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !seen().await {
        assert!(began.elapsed() < PATIENCE, "not seen within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
