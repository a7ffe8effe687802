//! The service on the holder fails while its host is well, and the address goes to where the service answers.
//! The group is the one of `examples/http-check.yaml`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use api_types::check::Check;
use api_types::failover::{Failover, FailoverCause};
use api_types::group::{Group, MemberStatus};
use api_types::transition::{State, Transition, TransitionReason};
use e2e::{BOUND, Host, Lab, Moment, Operator, Served, binaries, eventually};
use serde_json::json;

const FILE: &str = "examples/http-check.yaml";
const NODES: [&str; 2] = ["lb1", "lb2"];

/// A web server with a health page that can be told to fail. It ends with the test's process.
struct Web {
    healthy: Arc<AtomicBool>,
}

impl Web {
    fn start(host: &Host) -> Result<Self> {
        let listener = host.namespace.enter(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)))??;
        let healthy = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&healthy);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let status = if seen.load(Ordering::Relaxed) { "200 OK" } else { "503 Service Unavailable" };
                // Who hangs up early is asked again by the next run.
                let _answered = answer(stream, status);
            }
        });
        Ok(Self { healthy })
    }

    /// What it says from then on.
    fn is(&self, healthy: bool) -> Moment {
        self.healthy.store(healthy, Ordering::Relaxed);
        Moment::now()
    }
}

fn answer(mut stream: TcpStream, status: &str) -> Result<()> {
    let request = BufReader::new(stream.try_clone()?);
    for line in request.lines() {
        if line?.is_empty() {
            break;
        }
    }
    Ok(write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?)
}

/// The group of the example, held by lb1, and a web server on each node.
struct Scene<'lab> {
    served: Served<'lab>,
    operator: Operator,
    web: Web,
    _other: Web,
}

impl<'lab> Scene<'lab> {
    fn start(lab: &'lab Lab) -> Result<Self> {
        let served = Served::start(lab, &[(NODES[0], 240), (NODES[1], 200)])?;
        let web = Web::start(&served.site.node(NODES[0])?.host)?;
        let other = Web::start(&served.site.node(NODES[1])?.host)?;
        let operator = Operator::log_in(lab, &served.site.server)?;
        let path = binaries::workspace().join(FILE);
        operator.baton(&["apply", "-f", path.to_str().context("a path that is no text")?])?;
        let scene = Self { served, operator, web, _other: other };
        scene.passes()?;
        Ok(scene)
    }

    fn members(&self) -> Result<Vec<MemberStatus>> {
        Ok(self.served.site.api.get::<Group>("groups/web")?.status.members)
    }

    /// Waits until the check passes on both nodes and either could hold the address.
    fn passes(&self) -> Result<()> {
        eventually("the check passes on both nodes", BOUND, || {
            let members = self.members()?;
            let passes =
                |member: &MemberStatus| matches!(&*member.checks, [check] if check.passing == Some(true));
            ensure!(
                members.iter().all(|member| passes(member) && member.ready == Some(true)),
                "{members:#?}"
            );
            Ok(())
        })
    }

    /// The latest failover to the node, once it has this cause.
    fn failover(&self, to: &str, cause: FailoverCause) -> Result<Failover> {
        eventually(&format!("a failover to {to} by {} is recorded", cause.as_str()), BOUND, || {
            let failovers: Vec<Failover> = self.served.site.api.list("failovers?group=web")?;
            let latest = failovers.first().filter(|latest| latest.to == to && latest.cause == cause);
            latest.cloned().with_context(|| format!("{failovers:?}"))
        })
    }

    /// How lb1 let go of the address in this failover.
    fn let_go(&self, failover: &Failover) -> Result<Transition> {
        let transitions: Vec<Transition> = self.served.site.api.list("transitions?node=lb1")?;
        let of_move = |one: &Transition| failover.transitions.contains(&one.id);
        transitions.into_iter().find(of_move).with_context(|| format!("{failover:?}"))
    }

    /// The service of lb1 turns so, and the address goes to this node without a lost question.
    fn moves(&self, healthy: bool, to: &str) -> Result<()> {
        let moved = self.served.move_by(to, || Ok(self.web.is(healthy)))?;
        println!("to {to}: {:?} until the first advertisement, {} lost", moved.advertised, moved.lost());
        ensure!(moved.lost() == 0, "{} lost", moved.lost());
        Ok(())
    }
}

#[test]
fn the_address_leaves_a_host_whose_service_fails_and_comes_back() -> Result<()> {
    Lab::run(|lab| {
        let scene = Scene::start(lab)?;
        scene.moves(false, "lb2")?;
        let failover = scene.failover("lb2", FailoverCause::PriorityZero)?;
        ensure!(failover.failing_checks == ["nginx"], "{failover:?}");
        let let_go = scene.let_go(&failover)?.record;
        ensure!(
            let_go.reason == TransitionReason::CheckFailed && let_go.failing_checks == ["nginx"],
            "{let_go:?}"
        );
        let status = eventually("lb1 is in fault", BOUND, || {
            let lb1 = scene.members()?.remove(0);
            ensure!(lb1.state == Some(State::Fault) && !lb1.checks.is_empty(), "{lb1:?}");
            Ok(lb1)
        })?;
        let fault = status.fault.context("no fault")?;
        ensure!(fault.contains("check nginx fails") && fault.contains("503"), "{fault}");
        let failovers = scene.operator.baton(&["get", "failovers"])?;
        ensure!(failovers.contains("priority_zero (failing: nginx)"), "{failovers}");
        let shown = scene.operator.glance(&["status"])?;
        ensure!(shown.contains("nginx") && shown.contains("503"), "{shown}");
        scene.moves(true, "lb1")?;
        scene.passes()?;

        // The same with a weight: lb2 is better while the service of lb1 fails.
        let mut web = serde_json::to_value(scene.served.site.api.get::<Group>("groups/web")?.spec())?;
        web["track"] = json!([{"check": "nginx", "weight": -50}]);
        let _written: Group = scene.served.site.api.put("groups/web", &web)?;
        for node in NODES {
            scene.served.site.api.until_applied(node)?;
        }
        scene.passes()?;
        scene.moves(false, "lb2")?;
        let failover = scene.failover("lb2", FailoverCause::Preempting)?;
        ensure!(failover.failing_checks == ["nginx"], "{failover:?}");
        let lb1 = eventually("lb1 stands behind lb2", BOUND, || {
            let lb1 = scene.members()?.remove(0);
            ensure!(lb1.effective_priority.is_some_and(|priority| priority.get() == 190), "{lb1:?}");
            Ok(lb1)
        })?;
        ensure!(lb1.state == Some(State::Backup) && lb1.ready == Some(true), "{lb1:?}");
        let described = scene.operator.baton(&["describe", "check", "nginx"])?;
        ensure!(described.contains("web: nginx (-50 while it fails)"), "{described}");
        ensure!(described.lines().any(|line| line.contains("lb1") && line.contains("fails")), "{described}");
        let check: Check = scene.served.site.api.get("checks/nginx")?;
        ensure!(check.status.groups == ["web"], "{check:?}");
        scene.moves(true, "lb1")
    })
}
