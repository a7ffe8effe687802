//! Removing objects.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::peer::{Peer, Said, TOKEN, ok, problem, text};

#[test]
fn a_node_whose_agent_is_behind_is_removed_by_force_and_nothing_else_is() {
    let peer = Peer::start();
    let behind = problem(409, "agent_behind", "the agent of node lb1 runs revision 1.3, not 1.4", &[]);
    peer.answers("DELETE /api/v1/nodes/lb1", behind);
    let refused = peer.baton(&["delete", "node", "lb1"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("runs revision 1.3") && refused.err.contains("--force"), "{}", refused.err);

    peer.answers("DELETE /api/v1/nodes/lb1?force=true", text(204, ""));
    let forced = peer.baton(&["delete", "node", "lb1", "--force"]);
    assert_eq!((forced.code, forced.out.as_str()), (0, "node/lb1  deleted\n"), "{}", forced.err);

    let asked = peer.lines();
    let group = peer.baton(&["delete", "group", "web", "--force"]);
    assert_eq!(group.code, 2, "{}", group.err);
    assert!(group.err.contains("--force is for nodes only"), "{}", group.err);
    assert_eq!(peer.lines(), asked, "nothing was sent");
}

#[test]
fn the_token_in_use_is_removed_only_with_yes_and_another_one_at_once() {
    let peer = Peer::start();
    let (own, other) = ("0198c5b0-0000-7000-8000-000000000001", "0198c5b0-0000-7000-8000-000000000002");
    let token = |id: &str, name: &str| {
        let (made, ends) = ("2026-11-22T20:00:00.000000Z", "2027-02-20T20:00:00.000000Z");
        json!({"id": id, "name": name, "role": "admin", "created_at": made, "expires_at": ends})
    };
    let tokens = json!({"items": [token(own, "mine"), token(other, "theirs")], "next_cursor": null});
    let caller = json!({"actor": {"kind": "token", "name": "mine", "id": own}, "role": "admin"});
    for _ in 0..4 {
        peer.answers("GET /api/v1/tokens?limit=500", ok(tokens.clone()));
        peer.answers("GET /api/v1/auth/self", ok(caller.clone()));
    }
    for name in ["mine", own] {
        let refused = peer.baton(&["delete", "token", name]);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{}", refused.err);
        for wanted in ["the one that this command uses", "--yes", "writes a new one to admin-token"] {
            assert!(refused.err.contains(wanted), "{wanted}: {}", refused.err);
        }
    }
    assert!(!peer.lines().iter().any(|line| line.starts_with("DELETE")), "{:?}", peer.lines());

    peer.answers(&format!("DELETE /api/v1/tokens/{other}"), text(204, ""));
    let removed = peer.baton(&["delete", "token", "theirs"]);
    assert_eq!((removed.code, removed.out.as_str()), (0, "token/theirs  deleted\n"), "{}", removed.err);
    peer.answers(&format!("DELETE /api/v1/tokens/{own}"), text(204, ""));
    let removed = peer.baton(&["delete", "token", "mine", "--yes"]);
    assert_eq!((removed.code, removed.out.as_str()), (0, "token/mine  deleted\n"), "{}", removed.err);
}

/// `baton` at a terminal at which somebody types `input`; what is printed stands in `out`.
fn at_a_terminal(peer: &Peer, arguments: &str, input: &str) -> Said {
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{} {arguments}", env!("CARGO_BIN_EXE_baton")))
        .arg("/dev/null")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("BATON_SERVER", peer.url())
        .env("BATON_CA", peer.path("ca.pem"))
        .env("BATON_CONFIG", peer.path("config.toml"))
        .env("BATON_TOKEN", TOKEN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::new(),
    }
}

#[test]
fn at_a_terminal_a_group_that_serves_is_removed_only_after_a_yes() {
    let peer = Peer::start();
    let deletes = || peer.lines().iter().filter(|line| line.starts_with("DELETE")).count();
    let group = |active: &[&str]| json!({"name": "web", "virtual_addresses": ["10.77.0.100/24"], "status": {"active": active}});
    let idle = group(&[]);
    let served = group(&["lb1"]);
    for (group, arguments, input, code, asks, removes) in [
        (Some(&served), "delete group web", "n\n", 2, true, false),
        (Some(&served), "delete group web", "\n", 2, true, false),
        (Some(&served), "delete group web", "y\n", 0, true, true),
        (None, "delete group web --yes", "", 0, false, true),
        (Some(&idle), "delete group web", "", 0, false, true),
    ] {
        if let Some(group) = group {
            peer.answers("GET /api/v1/groups/web", ok(group.clone()));
        }
        if removes {
            peer.answers("DELETE /api/v1/groups/web", text(204, ""));
        }
        let before = deletes();
        let said = at_a_terminal(&peer, arguments, input);
        assert_eq!(said.code, code, "{arguments:?} {input:?}: {}", said.out);
        let question = "lb1 is active for group web: 10.77.0.100/24 will no longer be served.";
        assert_eq!(said.out.contains(question), asks, "{}", said.out);
        assert_eq!(deletes() - before, usize::from(removes), "{:?}", peer.lines());
    }
    // Nobody can be asked: a script goes on as it always did.
    peer.answers("DELETE /api/v1/groups/web", text(204, ""));
    let piped = peer.baton(&["delete", "group", "web"]);
    assert_eq!((piped.code, piped.out.as_str()), (0, "group/web  deleted\n"), "{}", piped.err);
}
