//! The route table: nothing is open by accident, and every method is answered for.

use std::collections::{BTreeMap, BTreeSet};

use baton_server::auth::Access;
use baton_server::router;

use crate::harness::TestApp;

fn concrete(path: &str) -> String {
    path.split('/')
        .map(
            |segment| if segment.starts_with('{') { "018f4e6e-7c1a-7000-8000-000000000000" } else { segment },
        )
        .collect::<Vec<_>>()
        .join("/")
}

#[test]
fn only_health_enrolment_token_exchange_and_the_document_are_open() {
    let open: BTreeSet<String> = router::table()
        .rows()
        .into_iter()
        .filter(|route| matches!(route.access, Access::Open(_)))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let allowed = BTreeSet::from(
        [
            "GET /livez",
            "GET /readyz",
            "POST /api/v1/auth/token",
            "POST /api/v1/enrolment",
            "GET /api/v1/openapi.json",
            "GET /docs",
            "GET /docs/",
            "GET /docs/{*file}",
        ]
        .map(str::to_owned),
    );
    assert_eq!(open, allowed);
}

#[tokio::test]
async fn every_other_route_refuses_a_caller_without_a_credential() {
    let app = TestApp::start().await;
    let guarded: Vec<_> =
        router::table().rows().into_iter().filter(|route| !matches!(route.access, Access::Open(_))).collect();
    assert!(guarded.len() > 10, "the table is not empty");
    for route in guarded {
        let request = app.request(route.method, &concrete(&route.path)).anonymous();
        let answer = request.send().await;
        assert_eq!(answer.status, 401, "{} {}: {}", route.method, route.path, answer.text);
        answer.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_answered_with_those_it_has() {
    let app = TestApp::start().await;
    let mut methods: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for route in router::table().rows() {
        methods.entry(concrete(&route.path)).or_default().insert(route.method);
    }
    for (path, has) in methods {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"] {
            if has.contains(method) {
                continue;
            }
            let answer = app.request(method, &path).send().await;
            answer.problem(405, "method_not_allowed");
            let allow: BTreeSet<&str> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
            let mut expected = has.clone();
            if has.contains("GET") {
                expected.insert("HEAD");
            }
            assert_eq!(allow, expected, "{method} {path}");
        }
    }
}
