//! What members hear of each other and of strangers, as the API shows it, and what follows for their group.

use api_types::channel::{AgentMessage, AgentStatus, GroupReport, MemberDetails};
use api_types::counters::{GroupCounters, InterfaceCounters};
use api_types::fences::{FenceStatus, Fences};
use api_types::group::Checksum;
use api_types::peer::Peer;
use api_types::timing::{TimerLag, Timing};
use api_types::transition::State;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agent::{Agent, Channel, eth0};
use crate::failovers::report;
use crate::harness::TestApp;
use crate::intent::{group, with};
use crate::listening::{Server, conditions, eventually_shows, make_group};

const WEB: &str = "/api/v1/groups/web";

/// The group `web` between lb1 at 192.0.2.1, which has a session, and a keepalived at 192.0.2.9.
struct Site {
    server: Server,
    group: Uuid,
    agent: Agent,
    channel: Channel,
    sequence: u64,
}

impl Site {
    async fn start() -> Self {
        let server = Server::start().await;
        let agent = Agent::enrol(&server, "lb1").await;
        make_group(&server, "web", 51, &["lb1"]).await;
        let mut web = server.get(WEB).await;
        for owned in ["id", "generation", "created_at", "updated_at", "status"] {
            web.as_object_mut().unwrap().remove(owned);
        }
        let keepalived =
            json!({"kind": "external", "name": "keepalived", "address": "192.0.2.9", "priority": 100});
        web["members"].as_array_mut().unwrap().push(keepalived);
        let group = server.put(WEB, web).await["id"].as_str().unwrap().parse().unwrap();
        let channel = agent.connect(&server, "192.0.2.1").await;
        Self { server, group, agent, channel, sequence: 0 }
    }

    fn report(&self, details: Option<MemberDetails>) -> GroupReport {
        GroupReport {
            group_id: self.group,
            state: State::Active,
            since: self.server.now(),
            effective_priority: vrrp::Priority::new(240).unwrap(),
            active_source: None,
            addresses_present: Vec::new(),
            details,
        }
    }

    /// The group, once the report is stored: what is said in one session is stored in the order in which it
    /// was said.
    async fn says(&mut self, details: Option<MemberDetails>) -> Value {
        let groups = vec![self.report(details)];
        self.channel.status(&self.server, "192.0.2.1", groups).await;
        self.sequence += 1;
        let states = (State::Initialize, State::Backup);
        let record = report(&self.agent, &self.server, Uuid::new_v4(), self.sequence, states);
        self.channel.report(&[record]).await;
        self.server.get(WEB).await
    }

    async fn has(&self, kinds: &[&str]) -> Value {
        eventually_shows(&self.server, WEB, |group| conditions(group) == kinds).await
    }

    fn hears(&self, source: &str, odd: &[&str]) -> MemberDetails {
        let peer = Peer {
            source: source.parse().unwrap(),
            member: None,
            version: vrrp::Version::V3,
            priority: vrrp::Claim::from_octet(100),
            advertisement_interval_ms: vrrp::AdvertisementInterval::DEFAULT_V3,
            checksum: Some(Checksum::Rfc5798),
            address_count: 1,
            discrepancies: odd.iter().map(|word| (*word).to_owned()).collect(),
            speaking: true,
            last_heard_at: self.server.now(),
        };
        MemberDetails { heard: vec![peer], ..MemberDetails::default() }
    }
}

#[tokio::test]
async fn what_a_member_hears_and_counts_is_shown_with_the_names_of_members() {
    let mut site = Site::start().await;
    let counters = GroupCounters { advertisement_sent: 7, checksum_errors: 1, ..GroupCounters::default() };
    let details = MemberDetails {
        fault: Some("interface eth0 is down".into()),
        checksum: Some(Checksum::Rfc9568),
        counters,
        dropping: vec!["checksum".into()],
        ..site.hears("192.0.2.9", &["equal_priority"])
    };
    let web = site.says(Some(details)).await;
    let member = &web["status"]["members"][0];
    assert_eq!(member["fault"], "interface eth0 is down");
    assert_eq!((&member["checksum"], &member["dropping"]), (&json!("rfc9568"), &json!(["checksum"])));
    assert_eq!(
        (&member["counters"]["advertisement_sent"], &member["counters"]["checksum_errors"]),
        (&json!(7), &json!(1))
    );
    let now = json!(site.server.now());
    assert_eq!(
        member["peers"],
        json!([{"source": "192.0.2.9", "member": "keepalived", "version": 3, "priority": 100,
                "advertisement_interval_ms": 100, "checksum": "rfc5798", "address_count": 1,
                "discrepancies": ["equal_priority"], "speaking": true, "last_heard_at": now}])
    );
    assert_eq!(
        web["status"]["members"][1]["counters"],
        Value::Null,
        "a router without an agent tells nothing"
    );

    let same = site.says(None).await;
    assert_eq!(same["status"]["members"], web["status"]["members"], "what is not told again is as before");

    site.channel = site.agent.connect(&site.server, "192.0.2.1").await;
    let web = site.says(None).await;
    let member = &web["status"]["members"][0];
    assert_eq!(
        (&member["counters"], &member["peers"]),
        (&Value::Null, &json!([])),
        "an older agent tells none"
    );
}

#[tokio::test]
async fn the_record_of_a_change_is_without_what_members_hear_and_count() {
    let mut site = Site::start().await;
    let mut web = site.says(Some(site.hears("192.0.2.9", &["equal_priority"]))).await;
    assert!(web["status"]["members"][0]["counters"].is_object());
    for owned in ["id", "generation", "created_at", "updated_at", "status"] {
        web.as_object_mut().unwrap().remove(owned);
    }
    web["description"] = json!("for customers");
    site.server.put(WEB, web).await;
    let entry = &site.server.audit().await[0];
    assert_eq!(entry["action"], "group.update");
    for side in ["before", "after"] {
        let member = &entry[side]["status"]["members"][0];
        assert_eq!((&member["counters"], &member["peers"]), (&Value::Null, &json!([])), "{side}");
        assert_eq!(member["state"], "active", "{side}");
    }
}

#[tokio::test]
async fn a_disagreement_that_lasts_is_a_condition_until_it_is_over() {
    let mut site = Site::start().await;
    let stranger = site.hears("192.0.2.77", &["address_list"]);
    let web = site.says(Some(stranger.clone())).await;
    assert_eq!(conditions(&web), [""; 0], "a change may be on its way");
    site.server.advance(TimeDelta::seconds(5));
    let web = site.has(&["address_list_mismatch", "foreign_router"]).await;
    let said = &web["status"]["conditions"][1]["detail"];
    assert_eq!(said, "192.0.2.77 speaks for the virtual router and is no member; heard by lb1");

    let keepalived = site.hears("192.0.2.9", &["interval"]);
    assert_eq!(conditions(&site.says(Some(keepalived)).await), [""; 0]);
    site.server.advance(TimeDelta::seconds(5));
    site.has(&["interval_mismatch"]).await;
    assert_eq!(conditions(&site.says(Some(MemberDetails::default())).await), [""; 0]);
}

#[tokio::test]
async fn what_is_dropped_on_an_interface_is_shown_with_the_node() {
    let mut site = Site::start().await;
    assert_eq!(site.server.get("/api/v1/nodes/lb1").await["status"]["interface_counters"], Value::Null);
    let dropped =
        |vrid_errors| InterfaceCounters { interface: "eth0".into(), vrid_errors, ..Default::default() };
    for told in [Some(vec![dropped(3)]), None] {
        site.channel
            .say(AgentMessage::Status(AgentStatus {
                at: site.server.now(),
                interfaces: vec![eth0("192.0.2.1")],
                groups: Vec::new(),
                interface_counters: told,
                fences: None,
                timing: None,
            }))
            .await;
        let counted = |node: &Value| node["status"]["interface_counters"][0]["vrid_errors"] == 3;
        let node = eventually_shows(&site.server, "/api/v1/nodes/lb1", counted).await;
        assert_eq!(node["status"]["interface_counters"][0]["interface"], "eth0");
        site.says(None).await;
    }
}

#[tokio::test]
async fn how_the_fences_stand_is_shown_with_the_node_until_its_next_session() {
    let mut site = Site::start().await;
    assert_eq!(site.server.get("/api/v1/nodes/lb1").await["status"]["fences"], Value::Null);
    let fences = Fences { nftables_lease: FenceStatus::not_armed("there is no nft"), ..Fences::default() };
    let told = serde_json::to_value(&fences).unwrap();
    let late = Timing { realtime: false, lag: TimerLag::default() };
    for fences in [Some(fences), None] {
        let timing = fences.is_some().then_some(late);
        let (at, interfaces) = (site.server.now(), vec![eth0("192.0.2.1")]);
        let status =
            AgentStatus { at, interfaces, groups: Vec::new(), interface_counters: None, fences, timing };
        site.channel.say(AgentMessage::Status(status)).await;
        let shown =
            |node: &Value| node["status"]["fences"] == told && node["status"]["timing"]["realtime"] == false;
        eventually_shows(&site.server, "/api/v1/nodes/lb1", shown).await;
        site.says(None).await;
    }
}

#[tokio::test]
async fn a_fence_that_stays_broken_is_a_condition_of_its_node_until_it_is_mended() {
    let mut site = Site::start().await;
    let gone = Fences { guard: FenceStatus::broken("the parent process is gone"), ..Fences::default() };
    let idle = Fences { guard: FenceStatus::not_armed("not for web"), ..Fences::default() };
    for (guard, wanted) in
        [("broken", &["fence_not_armed"][..]), ("idle", &[]), ("broken", &["fence_not_armed"])]
    {
        let fences = if guard == "broken" { &gone } else { &idle };
        site.channel
            .say(AgentMessage::Status(AgentStatus {
                at: site.server.now(),
                interfaces: vec![eth0("192.0.2.1")],
                groups: Vec::new(),
                interface_counters: None,
                fences: Some(fences.clone()),
                timing: None,
            }))
            .await;
        let told = serde_json::to_value(fences).unwrap();
        let stored = |node: &Value| node["status"]["fences"] == told;
        let node = eventually_shows(&site.server, "/api/v1/nodes/lb1", stored).await;
        assert_eq!(conditions(&node), Vec::<&str>::new(), "{guard}: the agent tries again");
        site.server.advance(TimeDelta::seconds(3));
        let follows = |node: &Value| conditions(node) == wanted;
        let node = eventually_shows(&site.server, "/api/v1/nodes/lb1", follows).await;
        if let Some(found) = node["status"]["conditions"].get(0) {
            assert_eq!(found["detail"], "on and not armed: guard (the parent process is gone)");
        }
    }
    site.says(None).await;
    let channel = site.agent.connect(&site.server, "192.0.2.1").await;
    let is_new = |node: &Value| node["status"]["fences"] == Value::Null;
    let node = eventually_shows(&site.server, "/api/v1/nodes/lb1", is_new).await;
    assert_eq!(conditions(&node), Vec::<&str>::new(), "the next session has not said");
    drop(channel);
}

#[tokio::test]
async fn an_interval_that_is_too_short_for_a_member_is_named_until_the_group_or_the_member_changes() {
    let mut site = Site::start().await;
    let late = Timing { realtime: true, lag: TimerLag { samples: 1_000, p99_us: 60_001, max_us: 80_000 } };
    let prompt = Timing { realtime: true, lag: TimerLag { samples: 1_000, p99_us: 900, max_us: 1_000 } };
    let group = site.server.get("/api/v1/groups/web").await;
    assert_eq!(group["advertisement_interval_ms"], 100);
    for (timing, wanted) in [(late, true), (prompt, false), (late, true)] {
        let (at, interfaces, groups) = (site.server.now(), vec![eth0("192.0.2.1")], Vec::new());
        let status = AgentStatus {
            at,
            interfaces,
            groups,
            interface_counters: None,
            fences: None,
            timing: Some(timing),
        };
        site.channel.say(AgentMessage::Status(status)).await;
        let is_named = |group: &Value| conditions(group).contains(&"interval_too_short");
        let web = eventually_shows(&site.server, "/api/v1/groups/web", |web| is_named(web) == wanted).await;
        let found = web["status"]["conditions"].as_array().unwrap();
        if let Some(named) = found.iter().find(|one| one["kind"] == "interval_too_short") {
            let detail = named["detail"].as_str().unwrap();
            assert!(detail.contains("lb1 keeps to 121 ms"), "{detail}");
        }
    }
    let mut spec = with(group, "advertisement_interval_ms", json!(130));
    for owned in ["id", "generation", "created_at", "updated_at", "status"] {
        spec.as_object_mut().unwrap().remove(owned);
    }
    let written = site.server.put("/api/v1/groups/web", spec).await;
    assert!(!conditions(&written).contains(&"interval_too_short"), "{written}");
}

#[tokio::test]
async fn the_answer_to_a_write_says_what_is_doubtful_about_it() {
    let api = TestApp::with_a_segment_and_two_nodes().await;
    let text = json!({"type": "simple_text", "text": "s3cret"});
    let version_2 = with(with(group("web"), "version", json!(2)), "advertisement_interval_ms", json!(1_000));
    let written = api.put(WEB, with(version_2.clone(), "authentication", text)).await.is(201).body;
    assert_eq!(conditions(&written), ["authentication_insecure", "interface_unverified"]);
    assert!(written["status"]["conditions"][0]["detail"].as_str().unwrap().contains("keeps nobody out"));
    let written = api.put(WEB, version_2).await.is(200).body;
    assert_eq!(conditions(&written), ["interface_unverified"]);

    let written = api.put(WEB, with(group("web"), "transport", json!("unicast"))).await.is(200).body;
    assert_eq!(conditions(&written), ["interface_unverified", "peer_address_unknown"]);
    let said = written["status"]["conditions"][1]["detail"].as_str().unwrap();
    assert!(said.starts_with("nothing is sent to lb1 on eth0 and lb2 on eth0"), "{said}");
}
