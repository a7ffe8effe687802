//! What the tests of segments, nodes, groups and checks share: the verbs of REST, a small installation, and what a refused
//! request must leave untouched.

use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};

impl TestApp {
    /// A request with headers and perhaps a body.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let request = self.request(method, path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }

    pub(crate) async fn put_if_match(&self, path: &str, etag: &str, body: &Value) -> Answer {
        self.call("PUT", path, &[("if-match", etag)], Some(body)).await
    }

    /// A segment `frontend` and the nodes `lb1` and `lb2`, which have not enrolled.
    pub(crate) async fn with_a_segment_and_two_nodes() -> Self {
        let api = Self::start().await;
        api.post("/api/v1/segments", &segment("frontend", &["192.0.2.0/24"])).await.is(201);
        for name in ["lb1", "lb2"] {
            api.post("/api/v1/nodes", &json!({"name": name})).await.is(201);
        }
        api
    }

    /// The same with the group `web` of [`group`].
    pub(crate) async fn with_a_group() -> Self {
        let api = Self::with_a_segment_and_two_nodes().await;
        api.post("/api/v1/groups", &group("web")).await.is(201);
        api
    }

    /// The same with the check `nginx` of [`check`], which nothing tracks.
    pub(crate) async fn with_one_of_each() -> Self {
        let api = Self::with_a_group().await;
        api.post("/api/v1/checks", &check("nginx")).await.is(201);
        api
    }

    /// What the agents of all nodes have been told to run, as the counters of their revisions.
    pub(crate) async fn revisions(&self) -> Vec<(String, i64)> {
        sqlx::query_as("SELECT name, desired_counter FROM nodes ORDER BY name")
            .fetch_all(&self.app.db)
            .await
            .unwrap()
    }

    /// Lets a node report these interfaces, as its agent would.
    pub(crate) async fn report_interfaces(&self, node: &str, interfaces: &Value) {
        let done = sqlx::query("UPDATE nodes SET interfaces = $2 WHERE name = $1")
            .bind(node)
            .bind(interfaces)
            .execute(&self.app.db)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1, "there is a node {node}");
    }

    /// What was done and what was refused, oldest first: action, outcome and the name of the object.
    pub(crate) async fn audited(&self) -> Vec<(String, String, String)> {
        let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
        self.audit()
            .await
            .iter()
            .rev()
            .map(|event| (text(event, "action"), text(event, "outcome"), text(event, "target_name")))
            .collect()
    }

    /// Everything that a refused request must leave as it was.
    pub(crate) async fn everything(&self) -> Value {
        let mut all = json!({"revisions": self.revisions().await});
        for kind in ["segments", "nodes", "groups", "checks"] {
            all[kind] = self.get(&format!("/api/v1/{kind}")).await.is(200).body;
        }
        let done = self.audited().await.into_iter().filter(|(_, outcome, _)| outcome == "done");
        all["done"] = json!(done.collect::<Vec<_>>());
        all
    }
}

impl Answer {
    /// This answer, which must have this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// This answer, which must be a problem with this status and code.
    #[track_caller]
    pub(crate) fn refused_as(self, status: u16, code: &str) -> Self {
        self.problem(status, code);
        self
    }

    pub(crate) fn etag(&self) -> &str {
        self.header("etag").unwrap_or_default()
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    /// What the problem says about everything.
    pub(crate) fn said(&self) -> String {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let details = errors.iter().map(|error| error["detail"].as_str().unwrap().to_owned());
        std::iter::once(self.body["detail"].as_str().unwrap().to_owned())
            .chain(details)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

pub(crate) fn segment(name: &str, prefixes: &[&str]) -> Value {
    json!({"name": name, "description": "", "prefixes": prefixes})
}

pub(crate) fn node_member(node: &str, interface: &str, priority: u16) -> Value {
    json!({"kind": "node", "node": node, "interface": interface, "priority": priority})
}

pub(crate) fn external_member(name: &str, address: &str, priority: u16) -> Value {
    json!({"kind": "external", "name": name, "address": address, "priority": priority})
}

/// A check by HTTP, with every field written.
pub(crate) fn check(name: &str) -> Value {
    json!({
        "name": name,
        "description": "the web server answers",
        "probe": {
            "kind": "http",
            "url": "http://127.0.0.1:8080/health?full=1",
            "host": "www.example.org",
            "expected_status": ["204", "200-299"],
            "body_match": "^(ok|up)$",
            "verify_certificate": true,
        },
        "interval_ms": 500,
        "timeout_ms": 250,
        "rise": 3,
        "fall": 4,
    })
}

pub(crate) fn tracked(check: &str, weight: i16) -> Value {
    json!({"check": check, "weight": weight, "reverse": false})
}

/// A group on `frontend` between `lb1` and `lb2`, with every field written.
pub(crate) fn group(name: &str) -> Value {
    json!({
        "name": name,
        "description": "the public web site",
        "segment": "frontend",
        "family": "ipv4",
        "vrid": 51,
        "version": 3,
        "advertisement_interval_ms": 100,
        "preempt_mode": true,
        "preempt_delay_ms": 0,
        "accept_mode": true,
        "mac_mode": "interface",
        "transport": "multicast",
        "max_hops": 0,
        "require_link_local": true,
        "authentication": null,
        "checksum": "auto",
        "virtual_addresses": ["192.0.2.11/24", "192.0.2.10/24"],
        "virtual_routes": [],
        "virtual_rules": [],
        "track": [],
        "pre_active": null,
        "hooks": [],
        "members": [node_member("lb2", "eth0", 200), node_member("lb1", "eth0", 240)],
    })
}

/// `body` with another value in one field.
pub(crate) fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

/// The part of an answer that operators write.
pub(crate) fn written(answer: &Value) -> Value {
    let mut written = answer.clone();
    for owned in ["id", "generation", "created_at", "updated_at", "status"] {
        written.as_object_mut().unwrap().remove(owned).unwrap_or_else(|| panic!("no {owned} in {answer:#}"));
    }
    written
}
