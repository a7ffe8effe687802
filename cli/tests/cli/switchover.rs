//! Planned moves: switchovers and drains.

use serde_json::{Value, json};

use crate::peer::{Peer, ok, problem, text};

const GROUP: &str = "0198c5b0-0000-7000-8000-000000000051";
const ID: &str = "0198c5b0-0000-7000-8000-000000000001";

fn switchover(change: Value) -> Value {
    let mut switchover = json!({
        "id": ID, "group": "web", "group_id": GROUP, "from": "lb1", "to": "lb2",
        "actor": {"kind": "token", "name": "on-call", "id": null}, "state": "requested", "reason": null,
        "requested_at": "2026-11-22T20:41:17.000000Z", "active_at": null, "ended_at": null, "bound_at": null,
        "failover": null, "gap_ms": null, "gap_method": null,
    });
    for (field, value) in change.as_object().unwrap() {
        switchover[field] = value.clone();
    }
    switchover
}

fn requested(peer: &Peer) {
    peer.answers("POST /api/v1/groups/web/switchovers", ok(switchover(json!({}))));
}

#[test]
fn a_switchover_is_asked_for_and_with_wait_its_outcome_is_told() {
    let peer = Peer::start();
    requested(&peer);
    let asked = peer.baton(&["switchover", "web", "--to", "lb2"]);
    assert_eq!((asked.code, asked.out.as_str()), (0, "group/web  lb2 was told to take over from lb1\n"));
    assert_eq!(peer.asked()[0].body, json!({"to": "lb2"}));

    requested(&peer);
    let look = format!("GET /api/v1/groups/{GROUP}/switchovers/{ID}");
    let active = json!({"state": "active", "active_at": "2026-11-22T20:41:17.020000Z"});
    let measured = json!({"state": "active", "bound_at": "2026-11-22T20:41:17.009200Z", "failover": ID,
                          "gap_ms": 0.0, "gap_method": "release_to_announcement"});
    for change in [json!({}), active, measured] {
        peer.answers(&look, ok(switchover(change)));
    }
    let waited = peer.baton(&["switchover", "web", "--to", "lb2", "--wait"]);
    assert_eq!(waited.code, 0, "{}", waited.err);
    assert_eq!(
        waited.out,
        "group/web  lb2 holds the addresses, before it lb1\n    \
         nobody answered for 0.0 ms (release_to_announcement)\n    \
         bound 9.2 ms after the request, by the clocks of the server and of lb2\n"
    );
}

#[test]
fn a_switchover_that_does_not_come_about_is_told_and_the_status_says_so() {
    let peer = Peer::start();
    requested(&peer);
    let failed = json!({"state": "failed", "reason": "lb2 did not take over within 2 s, and is backup"});
    let look = format!("GET /api/v1/groups/{GROUP}/switchovers/{ID}");
    peer.answers(&look, ok(switchover(failed)));
    let waited = peer.baton(&["switchover", "web", "--to", "lb2", "--wait"]);
    let told = "group/web  switchover to lb2 failed: lb2 did not take over within 2 s, and is backup\n";
    assert_eq!((waited.code, waited.out.as_str()), (1, told), "{}", waited.err);

    let why = "lb2 cannot take over group web now: it does not hear lb1";
    let refusal = problem(409, "not_ready", why, &[("/to", why)]);
    peer.answers("POST /api/v1/groups/web/switchovers", refusal);
    let refused = peer.baton(&["switchover", "web", "--to", "lb2"]);
    assert_eq!((refused.code, refused.out.as_str()), (3, ""));
    assert!(refused.err.contains(why) && refused.err.contains("baton describe group"), "{}", refused.err);
    let nowhere = peer.baton(&["switchover", "list", "web"]);
    assert_eq!(nowhere.code, 3, "{}", nowhere.err);
    assert!(nowhere.err.contains("no group is called \"web\""), "{}", nowhere.err);
}

#[test]
fn what_is_in_effect_is_undone_and_all_are_listed() {
    let peer = Peer::start();
    let group = |switchover: Value| {
        let made = "2026-11-22T20:00:00.000000Z";
        json!({"id": GROUP, "name": "web", "description": "", "segment": "lan", "family": "ipv4", "vrid": 51,
               "version": 3, "advertisement_interval_ms": 100, "preempt_mode": true, "checksum": "auto",
               "authentication": null, "virtual_addresses": ["192.0.2.10/24"], "members": [], "generation": 1,
               "created_at": made, "updated_at": made,
               "status": {"active": ["lb2"], "members": [], "conditions": [], "switchover": switchover}})
    };
    let in_effect =
        json!({"id": ID, "to": "lb2", "state": "active", "requested_at": "2026-11-22T20:41:17.000000Z"});
    peer.answers("GET /api/v1/groups/web", ok(group(in_effect)));
    peer.answers("GET /api/v1/groups/web", ok(group(Value::Null)));
    let undone = json!({"state": "undone", "reason": "it was taken back", "gap_ms": 3.5});
    let one = format!("DELETE /api/v1/groups/web/switchovers/{ID}");
    peer.answers(&one, ok(switchover(undone.clone())));
    let said = peer.baton(&["switchover", "undo", "web"]);
    let told = "group/web  switchover to lb2 undone: priorities say who holds\n";
    assert_eq!((said.code, said.out.as_str()), (0, told), "{}", said.err);
    let again = peer.baton(&["switchover", "undo", "web"]);
    assert_eq!((again.code, again.out.as_str()), (0, "group/web  no switchover is in effect\n"));

    let page = json!({"items": [switchover(undone)], "next_cursor": null});
    peer.answers("GET /api/v1/groups/web/switchovers?limit=100", ok(page));
    let listed = peer.baton(&["switchover", "list", "web"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    for wanted in ["lb1", "lb2", "undone", "3.5 ms", "on-call", "it was taken back"] {
        assert!(listed.out.contains(wanted), "{wanted}: {}", listed.out);
    }
}

#[test]
fn a_node_is_drained_and_let_back_and_force_is_named_where_it_helps() {
    let peer = Peer::start();
    let drain = json!({"reason": "fan", "since": "2026-11-22T20:00:00.000000Z",
                       "actor": {"kind": "token", "name": "on-call", "id": null}});
    let why = "without lb1 nobody would be ready to hold: group web: lb2 is in fault";
    peer.answers("PUT /api/v1/nodes/lb1/drain", problem(409, "no_ready_member", why, &[]));
    let refused = peer.baton(&["drain", "lb1", "--reason", "fan"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains(why) && refused.err.contains("--force"), "{}", refused.err);
    peer.answers("PUT /api/v1/nodes/lb1/drain?force=true", ok(drain));
    let drained = peer.baton(&["drain", "lb1", "--reason", "fan", "--force"]);
    assert_eq!((drained.code, drained.out.as_str()), (0, "node/lb1  drained\n"), "{}", drained.err);
    assert_eq!(peer.asked()[1].body, json!({"reason": "fan"}));
    peer.answers("DELETE /api/v1/nodes/lb1/drain", text(204, ""));
    let back = peer.baton(&["undrain", "lb1"]);
    assert_eq!((back.code, back.out.as_str()), (0, "node/lb1  takes part again\n"), "{}", back.err);
}
