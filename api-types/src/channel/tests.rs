use vrrp::BoostedPriority;

use super::*;
use crate::assist::{LetGo, LetGoReason};
use crate::fast_start::FastStart;

#[test]
fn an_older_agent_reports_no_details_and_is_understood() {
    let message: AgentMessage = serde_json::from_str(
        r#"{"type": "status", "at": "2026-01-01T20:00:00.000000Z", "interfaces": [], "groups": [{
            "group_id": "018f4e6e-7c1a-7000-8000-000000000002", "state": "backup",
            "since": "2026-01-01T20:00:00.000000Z", "effective_priority": 200,
            "active_source": "192.0.2.1", "addresses_present": []}]}"#,
    )
    .unwrap();
    let AgentMessage::Status(status) = message else { panic!("{message:?}") };
    assert_eq!((status.interface_counters, status.fences), (None, None));
    assert_eq!(status.groups[0].details, None);
}

#[test]
fn a_newer_agent_may_say_more_than_this_server_knows() {
    let details: MemberDetails =
        serde_json::from_str(r#"{"mood": "sunny", "counters": {"advertisement_sent": 7, "sighs": 1}}"#)
            .unwrap();
    assert_eq!(details.counters.advertisement_sent, 7);
    assert_eq!(details.heard, []);
}

#[test]
fn boosts_assists_and_fast_starts_read_as_they_were_written() {
    let let_go = LetGo {
        group_id: Uuid::from_u128(2),
        source: "fe80::1".parse().unwrap(),
        sequence: 4_711,
        reason: LetGoReason::CarrierLost,
    };
    let assist = AgentMessage::Assist(Assist { boot_id: Uuid::from_u128(1), groups: vec![let_go] });
    let written = serde_json::json!({"type": "assist", "boot_id": Uuid::from_u128(1), "groups": [{
        "group_id": Uuid::from_u128(2), "source": "fe80::1", "sequence": 4711, "reason": "carrier_lost"}]});
    assert_eq!(serde_json::to_value(&assist).unwrap(), written);
    assert_eq!(serde_json::from_value::<AgentMessage>(written).unwrap(), assist);

    let relayed = RelayedAssist { node: "lb1".parse().unwrap(), groups: vec![let_go] };
    let boost = Boost {
        group_id: Uuid::from_u128(2),
        switchover_id: Uuid::from_u128(3),
        sequence: 7,
        boot_id: Uuid::from_u128(1),
        priority: BoostedPriority::new(254).unwrap(),
    };
    let none = ServerMessage::Boosts { boosts: Vec::new() };
    let start = ServerMessage::FastStart(FastStart {
        group_id: Uuid::from_u128(2),
        generation: 3,
        boot_id: Uuid::from_u128(1),
        valid_ms: 1_000,
    });
    for message in
        [ServerMessage::Assist(relayed), ServerMessage::Boosts { boosts: vec![boost] }, none, start]
    {
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<ServerMessage>(&text).unwrap(), message, "{text}");
    }
}

#[test]
fn a_boost_below_251_or_of_the_owner_s_priority_is_none() {
    let boost = |priority: i64| {
        serde_json::from_value::<Boost>(
            serde_json::json!({"group_id": Uuid::nil(), "switchover_id": Uuid::nil(),
            "sequence": 1, "boot_id": Uuid::nil(), "priority": priority}),
        )
    };
    let allowed: Vec<_> = (240..=256).filter(|priority| boost(*priority).is_ok()).collect();
    assert_eq!(allowed, [251, 252, 253, 254]);
}

#[test]
fn an_older_server_says_nothing_of_what_it_can() {
    let welcome: ServerMessage = serde_json::from_str(
        r#"{"type": "welcome", "node": "lb1", "server_time": "2026-01-01T20:00:00.000000Z", "acknowledged": []}"#,
    )
    .unwrap();
    let ServerMessage::Welcome(welcome) = welcome else { panic!("{welcome:?}") };
    assert_eq!(welcome.capabilities, [""; 0]);
}

#[test]
fn only_a_drained_member_changes_the_digest_that_an_older_agent_computes() {
    let written = serde_json::json!({"id": Uuid::nil(), "name": "web", "generation": 1, "interface": "eth0",
        "family": "ipv4", "vrid": 51, "version": 3, "advertisement_interval_ms": 100, "preempt_mode": true,
        "checksum": "auto", "virtual_addresses": ["192.0.2.100/24"], "priority": 240, "peers": []});
    let group: DesiredGroup = serde_json::from_value(written).unwrap();
    let said = |drained| serde_json::to_value(DesiredGroup { drained, ..group.clone() }).unwrap();
    assert_eq!(said(false).get("drained"), None);
    assert_eq!(said(true)["drained"], true);
    assert!(serde_json::from_value::<DesiredGroup>(said(true)).unwrap().drained);
    let digest = |drained| {
        let groups = vec![DesiredGroup { drained, ..group.clone() }];
        DesiredState::new(Revision::default(), groups, Vec::new()).unwrap().digest
    };
    assert_ne!(digest(false), digest(true));
}
