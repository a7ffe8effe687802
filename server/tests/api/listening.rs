//! A server that listens on a socket and pushes, for agents that really connect.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use api_types::Timestamp;
use baton_server::agents::{self, Limits};
use baton_server::app::{App, Stopping};
use baton_server::clock::Clock;
use baton_server::router::router;
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use uuid::Uuid;

use crate::agent::PATIENCE;
use crate::harness::{Request, TestApp};

/// A server on a loopback address. Its tasks end with the runtime of the test.
pub(crate) struct Server {
    inner: TestApp,
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::of(TestApp::start().await).await
    }

    /// Another server of the same installation.
    pub(crate) async fn beside(&self) -> Self {
        Self::of(self.inner.beside().await).await
    }

    pub(crate) async fn of(inner: TestApp) -> Self {
        // The agents of a test do not answer pings while nobody reads what they hear, and what one says is stored.
        let limits =
            Limits { silent: 4 * PATIENCE, note: Duration::ZERO, idle: 5 * PATIENCE, ..Limits::default() };
        Self::limited(inner, limits).await
    }

    /// With the patience of these limits, and little room in the kernel for what an agent does not read.
    pub(crate) async fn limited(inner: TestApp, session_limits: Limits) -> Self {
        let (stop, stopping) = watch::channel(false);
        let app = App { stopping: Stopping::following(stopping), session_limits, ..inner.app.clone() };
        let socket = TcpSocket::new_v4().unwrap();
        // Connections inherit it from their listener.
        socket.set_send_buffer_size(4_096).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(128).unwrap();
        let address = listener.local_addr().unwrap();
        let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        tokio::spawn(agents::push::run(app));
        Self { inner, address, stop }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) const fn db(&self) -> &sqlx::PgPool {
        &self.inner.app.db
    }

    /// A connection as the owner of the database.
    pub(crate) async fn owner(&self) -> sqlx::PgConnection {
        self.inner.owner().await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// In whole seconds since 1970, as JWTs count.
    pub(crate) fn now_s(&self) -> i64 {
        self.now().as_datetime().timestamp()
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.inner.clock.advance(by);
    }

    /// What SIGTERM does.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// A request as the admin, to be completed.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        self.inner.request(method, path)
    }

    /// A request without credential, to be completed.
    pub(crate) fn anonymous(&self, method: &str, path: &str) -> Request {
        self.inner.request(method, path).anonymous()
    }

    /// What is at `path`.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.inner.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Value {
        let answer = self.inner.put(path, body).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text);
        answer.body
    }

    pub(crate) async fn delete(&self, path: &str) {
        let answer = self.inner.delete(path).await;
        assert_eq!(answer.status, 204, "{path}: {}", answer.text);
    }

    /// The secret of a new join token.
    pub(crate) async fn join_token(&self, node: &str, ttl_ms: i64) -> String {
        let answer = self.inner.post("/api/v1/join-tokens", json!({"node": node, "ttl_ms": ttl_ms})).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["secret"].as_str().unwrap().to_owned()
    }

    /// The audit log, the newest entry first.
    pub(crate) async fn audit(&self) -> Vec<Value> {
        self.inner.audit().await
    }
}

/// A group of these nodes on the segment `lan`, the first with the highest priority.
pub(crate) async fn make_group(server: &Server, name: &str, vrid: u8, members: &[&str]) -> Uuid {
    server.put("/api/v1/segments/lan", json!({"name": "lan", "prefixes": ["192.0.2.0/24"]})).await;
    let members: Vec<_> = members
        .iter()
        .enumerate()
        .map(|(rank, node)| json!({"kind": "node", "node": node, "interface": "eth0", "priority": 240 - 20 * rank}))
        .collect();
    let group = json!({"name": name, "segment": "lan", "vrid": vrid, "members": members,
                       "virtual_addresses": [format!("192.0.2.{}/24", 100 + u16::from(vrid))]});
    let group = server.put(&format!("/api/v1/groups/{name}"), group).await;
    group["id"].as_str().unwrap().parse().unwrap()
}

/// Asks until the answer is as wanted, or says what it was.
pub(crate) async fn eventually_shows(server: &Server, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = server.get(path).await;
        if wanted(&answer) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{path} is still {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The kinds of the conditions of an object.
pub(crate) fn conditions(object: &Value) -> Vec<&str> {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    conditions.iter().map(|condition| condition["kind"].as_str().unwrap()).collect()
}
