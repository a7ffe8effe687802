use api_types::node::Interface;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::policy::Policy;

/// Everything here takes milliseconds on a quiet machine.
const BOUND: Duration = Duration::from_secs(20);

fn spec(name: &str, probe: serde_json::Value, more: serde_json::Value) -> CheckSpec {
    let mut spec = json!({"name": name, "probe": probe, "interval_ms": 20, "timeout_ms": 500});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

struct Running {
    wanted: watch::Sender<Vec<CheckSpec>>,
    found: watch::Receiver<Found>,
    overview: watch::Sender<Overview>,
}

fn run(checks: Vec<CheckSpec>) -> Running {
    let (overview, seen) = watch::channel(Overview::default());
    let (found, found_out) = watch::channel(Found::new());
    let (wanted, to_run) = watch::channel(checks);
    let host = Host::new(Arc::new(Policy::default()), seen);
    tokio::spawn(Engine::new(host, overview.clone(), found).run(to_run));
    Running { wanted, found: found_out, overview }
}

impl Running {
    /// Waits until a check has found this.
    async fn finds(&mut self, name: &str, passes: bool) -> String {
        let finds = |found: &Found| found.get(name).is_some_and(|finding| finding.passes == passes);
        let waiting = self.found.wait_for(finds);
        let found = tokio::time::timeout(BOUND, waiting).await.expect("in time").unwrap();
        found[name].detail.clone()
    }

    fn runs(&self, name: &str) -> u64 {
        self.overview.borrow().checks.get(name).map_or(0, |standing| standing.passed + standing.failed)
    }

    fn see(&self, interfaces: Vec<Interface>) {
        self.overview.send_modify(|overview| {
            overview.snapshot.interfaces = interfaces;
            overview.snapshot_seen = true;
        });
    }
}

#[tokio::test]
async fn a_service_that_stops_and_starts_is_found_to_after_the_runs_that_decide() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let tcp = json!({"kind": "tcp", "port": target.port()});
    let mut engine = run(vec![spec("web", tcp, json!({"rise": 3, "fall": 2}))]);
    assert_eq!(engine.finds("web", true).await, format!("connected to {target}"));
    drop(listener);
    assert_eq!(engine.finds("web", false).await, format!("connection refused at {target}"));
    let runs = engine.runs("web");
    let _listener = TcpListener::bind(target).await.unwrap();
    engine.finds("web", true).await;
    assert!(engine.runs("web") >= runs + 3);
    let standing = engine.overview.borrow().checks["web"].clone();
    assert_eq!((standing.kind, standing.passes, standing.failed >= 2), ("tcp", Some(true), true));
}

#[tokio::test]
async fn what_is_wanted_no_longer_is_forgotten_and_what_is_defined_anew_stands_until_it_has_run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = json!({"kind": "tcp", "port": listener.local_addr().unwrap().port()});
    let slow = json!({"interval_ms": 3_600_000});
    let mut engine = run(vec![spec("a", good.clone(), slow.clone()), spec("b", good.clone(), slow.clone())]);
    engine.finds("a", true).await;
    engine.finds("b", true).await;
    // One that never answers: whatever it is, it has not been found out.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let hangs = spec("a", json!({"kind": "http", "url": url}), json!({"timeout_ms": 60_000}));
    let same = CheckSpec { description: "other words".to_owned(), ..spec("b", good, slow) };
    engine.wanted.send_replace(vec![hangs.clone(), same]);
    let (asked, _) = silent.accept().await.unwrap();
    assert!(engine.found.borrow()["a"].passes);
    assert_eq!(engine.runs("b"), 1, "other words are no other check");

    drop(asked);
    assert!(engine.finds("a", false).await.contains(" at 127.0.0.1:"), "one run decides");
    engine.wanted.send_replace(vec![hangs]);
    let gone = engine.found.wait_for(|found| !found.contains_key("b"));
    tokio::time::timeout(BOUND, gone).await.expect("in time").unwrap();
    assert!(!engine.overview.borrow().checks.contains_key("b"));
}

#[tokio::test]
async fn one_that_never_answers_fails_in_time_and_is_never_asked_twice_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let more = json!({"interval_ms": 10, "timeout_ms": 100});
    let began = Instant::now();
    let mut engine = run(vec![spec("web", json!({"kind": "http", "url": url}), more)]);
    assert_eq!(engine.finds("web", false).await, "no answer within 100 ms");
    assert!(began.elapsed() >= Duration::from_millis(100));
    let mut open = Vec::new();
    for _ in 0..5 {
        let (mut stream, _) = tokio::time::timeout(BOUND, silent.accept()).await.expect("in time").unwrap();
        for earlier in &mut open {
            let mut rest = Vec::new();
            // The one before has been closed by then.
            tokio::io::AsyncReadExt::read_to_end(earlier, &mut rest).await.unwrap();
        }
        open.clear();
        tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 512]).await.unwrap();
        open.push(stream);
    }
}

#[tokio::test]
async fn an_interface_is_looked_at_when_it_changes_and_not_before_it_is_known() {
    let interface =
        |up, carrier| Interface { name: "eth1".to_owned(), mac: None, up, carrier, addresses: Vec::new() };
    let hourly = json!({"interval_ms": 3_600_000, "timeout_ms": 60_000, "rise": 1, "fall": 1});
    let mut engine = run(vec![spec("uplink", json!({"kind": "interface", "interface": "eth1"}), hourly)]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(engine.runs("uplink"), 0);
    engine.see(vec![interface(true, true)]);
    assert_eq!(engine.finds("uplink", true).await, "interface eth1 is up");
    engine.see(vec![interface(true, false)]);
    assert_eq!(engine.finds("uplink", false).await, "interface eth1 has no carrier");
    engine.see(vec![interface(true, true)]);
    engine.finds("uplink", true).await;
    engine.see(Vec::new());
    assert_eq!(engine.finds("uplink", false).await, "there is no interface eth1");
}

#[tokio::test]
async fn targets_files_and_scripts_that_the_policy_does_not_name_are_never_touched() {
    let checks = vec![
        spec("target", json!({"kind": "tcp", "address": "192.0.2.1", "port": 22}), json!({})),
        spec("url", json!({"kind": "http", "url": "http://192.0.2.1/"}), json!({})),
        spec("file", json!({"kind": "file", "path": "/etc/passwd"}), json!({})),
        spec("script", json!({"kind": "script", "script": "reboot"}), json!({})),
    ];
    let mut engine = run(checks);
    for (name, wanted) in [
        (
            "target",
            "the policy of this host does not allow checks to connect to 192.0.2.1: allowed are loopback, \
             the host's own addresses",
        ),
        ("url", "the policy of this host does not allow checks to connect to 192.0.2.1"),
        ("file", "the policy of this host does not allow \"/etc/passwd\": it allows none"),
        ("script", "the policy of this host declares no script reboot: it declares none"),
    ] {
        let found = engine.finds(name, false).await;
        assert!(found.starts_with(wanted), "{name}: {found}");
    }
}

#[tokio::test]
async fn a_process_is_found_by_the_name_of_its_program() {
    let own = std::env::current_exe().unwrap();
    let own = own.file_name().unwrap().to_str().unwrap();
    let mut engine = run(vec![
        spec("here", json!({"kind": "process", "process": own}), json!({})),
        spec("gone", json!({"kind": "process", "process": "no-such-program"}), json!({})),
    ]);
    assert_eq!(engine.finds("here", true).await, format!("{own} runs"));
    assert_eq!(engine.finds("gone", false).await, "no process no-such-program runs");
}
