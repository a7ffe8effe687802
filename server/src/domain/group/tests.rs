use api_types::group::{ExternalMember, GroupSpec, Member, NodeMember};
use serde_json::{Value, json};

use super::*;

mod priorities;
mod protocol;

/// A group that every rule accepts.
fn good() -> Value {
    json!({
        "name": "web",
        "segment": "frontend",
        "vrid": 51,
        "virtual_addresses": ["192.0.2.10/24", "192.0.2.11/24"],
        "members": [
            {"kind": "node", "node": "lb1", "interface": "eth0", "priority": 240},
            {"kind": "external", "name": "old-keepalived", "address": "192.0.2.4", "priority": 100},
        ],
    })
}

/// Fields of [`good`] with other values.
type Changes<'a> = &'a [(&'a str, Value)];

fn with(changes: Changes<'_>) -> GroupDraft {
    let mut body = good();
    for (field, value) in changes {
        body[*field] = value.clone();
    }
    serde_json::from_value::<GroupSpec>(body).expect("what the types accept").into()
}

fn pointers(spec: &GroupDraft) -> Vec<String> {
    faults_of(spec).into_iter().map(|fault| fault.pointer).collect()
}

fn node(name: &str, interface: &str, priority: u8) -> Value {
    json!({"kind": "node", "node": name, "interface": interface, "priority": priority})
}

fn external(name: &str, address: &str, priority: u8) -> Value {
    json!({"kind": "external", "name": name, "address": address, "priority": priority})
}

#[test]
fn a_good_group_has_no_faults() {
    assert_eq!(faults_of(&with(&[])), []);
}

#[test]
fn each_rule_names_its_field() {
    let cases: [(&str, Changes<'_>, &[&str]); 15] = [
        ("long description", &[("description", json!("x".repeat(501)))], &["/description"]),
        (
            "a v2 interval in a v3 group",
            &[("advertisement_interval_ms", json!(41_000))],
            &["/advertisement_interval_ms"],
        ),
        ("no addresses", &[("virtual_addresses", json!([]))], &["/virtual_addresses"]),
        (
            "the same address with another prefix length",
            &[("virtual_addresses", json!(["192.0.2.10/24", "192.0.2.11/24", "192.0.2.10/32"]))],
            &["/virtual_addresses/2"],
        ),
        (
            "an address of the other family",
            &[("virtual_addresses", json!(["192.0.2.10/24", "2001:db8::10/64"]))],
            &["/virtual_addresses/1"],
        ),
        ("no members", &[("members", json!([]))], &["/members"]),
        (
            "one node twice",
            &[(
                "members",
                json!([node("lb1", "eth0", 240), node("lb2", "eth0", 200), node("lb1", "eth1", 100)]),
            )],
            &["/members/2/node"],
        ),
        (
            "an external router with the name of a member node",
            &[("members", json!([node("lb1", "eth0", 240), external("lb1", "192.0.2.4", 100)]))],
            &["/members/1/name"],
        ),
        (
            "two external routers with one address",
            &[("members", json!([external("a", "192.0.2.4", 240), external("b", "192.0.2.4", 100)]))],
            &["/members/1/address"],
        ),
        (
            "two owners",
            &[("members", json!([node("lb1", "eth0", 255), node("lb2", "eth0", 255)]))],
            &["/members/1/priority"],
        ),
        (
            "an owner beside an external owner",
            &[("members", json!([external("a", "192.0.2.10", 255), node("lb2", "eth0", 255)]))],
            &["/members/1/priority"],
        ),
        (
            "an external router on a virtual address",
            &[("members", json!([external("a", "192.0.2.10", 254)]))],
            &["/members/0/address"],
        ),
        (
            "an external router that is no host",
            &[("members", json!([external("a", "224.0.0.18", 100)]))],
            &["/members/0/address"],
        ),
        (
            "an external router of the other family",
            &[("members", json!([external("a", "2001:db8::4", 100)]))],
            &["/members/0/address"],
        ),
        (
            "everything at once",
            &[
                ("description", json!("\0")),
                ("advertisement_interval_ms", json!(255_000)),
                ("virtual_addresses", json!([])),
                ("members", json!([])),
            ],
            &["/description", "/advertisement_interval_ms", "/virtual_addresses", "/members"],
        ),
    ];
    for (what, changes, wanted) in cases {
        assert_eq!(pointers(&with(changes)), wanted, "{what}");
    }
}

#[test]
fn a_virtual_mac_and_all_that_goes_with_it_is_offered_in_both_families_but_not_to_an_owner() {
    let options = [
        ("members", json!([node("lb1", "eth0", 254), node("lb2", "eth0", 240)])),
        ("accept_mode", json!(false)),
        ("mac_mode", json!("virtual")),
        ("virtual_rules", json!([{"table": 7, "preference": 100}])),
    ];
    let ipv4 = [("virtual_routes", json!([{"destination": "198.51.100.0/24"}]))];
    let ipv6 = [
        ("family", json!("ipv6")),
        ("virtual_addresses", json!(["fe80::51/64"])),
        ("virtual_routes", json!([{"destination": "2001:db8:98::/48"}])),
    ];
    let owner = [("members", json!([node("lb1", "eth0", 255), node("lb2", "eth0", 240)]))];
    for of_family in [&ipv4[..], &ipv6] {
        assert_eq!(pointers(&with(&[&options[..], of_family].concat())), [""; 0]);
        assert_eq!(pointers(&with(&[&options[..], of_family, &owner].concat())), ["/mac_mode"]);
    }
}

#[test]
fn a_version_2_interval_must_be_whole_seconds() {
    let spec = with(&[("version", json!(2)), ("advertisement_interval_ms", json!(100))]);
    assert_eq!(pointers(&spec), ["/advertisement_interval_ms"]);
    assert!(faults_of(&spec)[0].detail.ends_with("allowed are multiples of 1000 from 1000 to 255000"));
}

#[test]
fn an_external_owner_may_advertise_from_the_address_it_owns() {
    let spec = with(&[("members", json!([external("a", "192.0.2.10", 255), node("lb1", "eth0", 240)]))]);
    assert_eq!(faults_of(&spec), []);
}

#[test]
fn the_limits_are_inclusive() {
    let addresses = |count: usize| -> Value {
        (1..=count).map(|n| json!(format!("10.0.{}.{}/16", n / 250, n % 250 + 1))).collect()
    };
    let listing =
        |count| with(&[("virtual_addresses", addresses(count)), ("members", json!([node("a", "eth0", 1)]))]);
    assert_eq!(faults_of(&listing(1_000)), []);
    let too_many = listing(1_001);
    assert_eq!(pointers(&too_many), ["/virtual_addresses"]);

    let members = |count: usize| -> Value {
        (1..=count).map(|number| node(&format!("n{number}"), "eth0", 100)).collect()
    };
    assert_eq!(faults_of(&with(&[("members", members(32))])), []);
    assert_eq!(pointers(&with(&[("members", members(33))])), ["/members"]);
}

#[test]
fn an_interface_is_named_as_the_kernel_could_name_it() {
    for good in ["eth0", "a", "bond0.100", "veth-1_2@x", "x23456789012345"] {
        assert_eq!(faults_of(&with(&[("members", json!([node("lb1", good, 240)]))])), [], "{good}");
    }
    for bad in ["", ".", "..", "a/b", "a b", "a\tb", "eth0:1", "x234567890123456", "ä", "a\0"] {
        let found = pointers(&with(&[("members", json!([node("lb1", bad, 240)]))]));
        assert_eq!(found, ["/members/0/interface"], "{bad:?}");
    }
}

#[test]
fn what_could_not_be_read_breaks_no_rule_and_hides_none() {
    let mut draft = with(&[
        ("description", json!("x".repeat(501))),
        ("virtual_addresses", json!(["192.0.2.10/24", "192.0.2.4/24", "192.0.2.10/32"])),
        ("members", json!([node("lb1", "eth 0", 255), external("old", "192.0.2.4", 100)])),
    ]);
    let wanted = ["/description", "/virtual_addresses/2", "/members/0/interface", "/members/1/address"];
    assert_eq!(pointers(&draft), wanted);
    (draft.name, draft.segment, draft.vrid, draft.family) = (None, None, None, None);
    (draft.version, draft.checksum, draft.preempt_mode) = (None, None, None);
    assert_eq!(pointers(&draft), wanted, "the other fields are judged all the same");
    draft.virtual_addresses = Some(vec![None, None, None]);
    draft.members.as_mut().unwrap().push(MemberDraft::Unread);
    assert_eq!(pointers(&draft), ["/description", "/members/0/interface"]);
    assert_eq!(draft.complete(), None);
}

#[test]
fn a_draft_that_was_read_whole_is_the_group() {
    let spec: GroupSpec = serde_json::from_value(good()).unwrap();
    assert_eq!(GroupDraft::from(spec.clone()).complete(), Some(spec));
}

impl From<GroupSpec> for GroupDraft {
    fn from(spec: GroupSpec) -> Self {
        let interval = spec.advertisement_interval();
        Self {
            name: Some(spec.name),
            description: Some(spec.description),
            segment: Some(spec.segment),
            family: Some(spec.family),
            vrid: Some(spec.vrid),
            version: Some(spec.version),
            advertisement_interval_ms: Some(interval),
            preempt_mode: Some(spec.preempt_mode),
            preempt_delay_ms: Some(spec.preempt_delay_ms),
            accept_mode: Some(spec.accept_mode),
            mac_mode: Some(spec.mac_mode),
            transport: Some(spec.transport),
            max_hops: Some(spec.max_hops),
            require_link_local: Some(spec.require_link_local),
            authentication: Some(spec.authentication),
            checksum: Some(spec.checksum),
            virtual_addresses: Some(spec.virtual_addresses.into_iter().map(Some).collect()),
            virtual_routes: Some(spec.virtual_routes.into_iter().map(Some).collect()),
            virtual_rules: Some(spec.virtual_rules.into_iter().map(Some).collect()),
            track: Some(spec.track.into_iter().map(Some).collect()),
            pre_active: Some(spec.pre_active),
            hooks: Some(spec.hooks.into_iter().map(Some).collect()),
            members: Some(spec.members.into_iter().map(MemberDraft::from).collect()),
        }
    }
}

impl From<Member> for MemberDraft {
    fn from(member: Member) -> Self {
        match member {
            Member::Node(NodeMember { node, interface, priority }) => {
                Self::Node { node: Some(node), interface: Some(interface), priority: Some(Some(priority)) }
            }
            Member::External(ExternalMember { name, address, priority }) => {
                Self::External { name: Some(name), address: Some(address), priority: Some(priority) }
            }
        }
    }
}
