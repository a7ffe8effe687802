//! Removing objects.

use crate::peer::{Peer, problem, text};

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
