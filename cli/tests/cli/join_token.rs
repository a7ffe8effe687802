//! Making join tokens.

use serde_json::{Value, json};

use crate::peer::{Peer, ok};

fn node(connected: bool) -> Value {
    json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000002", "name": "lb1", "description": "", "generation": 1,
        "created_at": "2026-01-01T20:00:00.000000Z", "updated_at": "2026-01-01T20:00:00.000000Z",
        "status": {"enrolled": true, "connected": connected, "last_seen_at": null, "agent_version": null,
            "boot_id": null, "interfaces": null, "desired_revision": {"epoch": 1, "counter": 0},
            "applied_revision": null, "rejection": null, "conditions": []},
    })
}

#[test]
fn a_token_for_a_node_whose_agent_is_connected_comes_with_a_warning_and_any_other_without() {
    let token = json!({
        "id": "018f4e6e-7c1a-7000-8000-000000000003", "node": "lb1", "secret": "baton_join_x_y_z",
        "created_at": "2026-01-01T20:00:00.000000Z", "expires_at": "2026-01-01T20:10:00.000000Z",
        "used_at": null,
    });
    for (present, warns) in [(None, false), (Some(node(false)), false), (Some(node(true)), true)] {
        let peer = Peer::start();
        if let Some(node) = present {
            peer.answers("GET /api/v1/nodes/lb1", ok(node));
        }
        peer.answers("POST /api/v1/join-tokens", ok(token.clone()));
        let made = peer.baton(&["join-token", "create", "lb1", "--quiet"]);
        assert_eq!((made.code, made.out.as_str()), (0, "baton_join_x_y_z\n"), "{}", made.err);
        let warning = "The agent of node lb1 is connected: when another agent enrols with this token, the \
                       present one is put out.\n";
        assert_eq!(made.err, if warns { warning } else { "" });
    }
}
