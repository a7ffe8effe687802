//! Who may read and who may write segments, nodes, groups and checks.

use serde_json::json;

use crate::harness::TestApp;
use crate::intent::{check, group};

#[tokio::test]
async fn everybody_known_reads_and_only_editors_and_admins_write() {
    let api = TestApp::with_one_of_each().await;
    let before = api.everything().await;
    let bodies = [
        ("segments", "frontend", json!({"name": "frontend", "prefixes": ["192.0.2.0/25"]})),
        ("nodes", "lb1", json!({"name": "lb1", "description": "new"})),
        ("groups", "web", group("web")),
        ("checks", "nginx", check("nginx")),
    ];
    for role in ["viewer", "operator", "auditor"] {
        let token = api.token(&format!("a-{role}"), role).await;
        for (kind, name, body) in &bodies {
            let (list, object) = (format!("/api/v1/{kind}"), format!("/api/v1/{kind}/{name}"));
            for path in [&list, &object] {
                assert_eq!(api.request("GET", path).bearer(&token).send().await.status, 200, "{role} {path}");
            }
            for (method, path) in [("POST", &list), ("PUT", &object), ("DELETE", &object)] {
                let answer = api.request(method, path).bearer(&token).json(body).send().await;
                let problem = answer.problem(403, "forbidden");
                assert!(
                    problem["detail"].as_str().unwrap().contains("objects.write"),
                    "{role} {method} {path}"
                );
            }
        }
    }
    let after = api.everything().await;
    for kind in ["revisions", "segments", "nodes", "groups", "checks"] {
        assert_eq!(after[kind], before[kind], "nothing changed");
    }

    let editor = api.token("an-editor", "editor").await;
    for (kind, name, body) in &bodies {
        let answer =
            api.request("PUT", &format!("/api/v1/{kind}/{name}")).bearer(&editor).json(body).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}
