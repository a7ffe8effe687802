//! What a node runs: what the server says, what the disk says, and what is refused.

use api_types::agent_status::LocalStatus;
use api_types::channel::{
    DesiredGroup, DesiredPeer, DesiredState, MAX_MESSAGE_OCTETS, Revision, ServerMessage,
};
use api_types::enrolment::Enrolment;
use api_types::group::Checksum;
use api_types::node::Rejection;
use baton_agent::config::Config;
use baton_agent::control::desired_state::{Assignment, DesiredStateStore};
use baton_agent::control::identity::Identity;
use baton_agent::messages::{Command, Report};
use tempfile::tempdir;
use uuid::Uuid;
use vrrp::{AdvertisementInterval, Family, Priority, Version, Vrid};

use crate::agent::{Agent, config, enrolled, revision, state};
use crate::authority::Authority;
use crate::eventually::{eventually, within};
use crate::local::status_that;
use crate::server::Server;

#[tokio::test]
async fn a_desired_state_reaches_the_dataplane_and_its_answer_the_server() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;

    let (mut session, hello) = server.welcome(&[]).await;
    assert_eq!((hello.boot_id, hello.applied_revision), (agent.boot_id, None));
    session.desire(state(1, 7)).await;
    assert_eq!(agent.apply().await, revision(1, 7));
    assert_eq!(session.applied().await, (revision(1, 7), state(1, 7).digest));

    // The same again is answered without bothering the dataplane.
    session.desire(state(1, 7)).await;
    assert_eq!(session.applied().await.0, revision(1, 7));
    assert!(agent.was_told_nothing());

    drop(session);
    let (_session, hello) = server.welcome(&[]).await;
    assert_eq!(hello.applied_revision, Some(revision(1, 7)));
    agent.stop().await;
}

#[tokio::test]
async fn what_is_older_altered_or_unreadable_is_refused_and_never_applied() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    session.desire(state(2, 7)).await;
    agent.apply().await;
    session.applied().await;

    for (older, why) in [(state(2, 6), "2.6 is older than 2.7"), (state(1, 99), "1.99 is older than 2.7")] {
        session.desire(older.clone()).await;
        let (revision, detail) = session.rejected().await;
        assert_eq!(revision, older.revision);
        assert!(detail.contains(why), "{detail}");
    }
    session.desire(DesiredState { digest: "0".repeat(64), ..state(2, 8) }).await;
    let (refused, detail) = session.rejected().await;
    assert!(refused == revision(2, 8) && detail.contains("digest"), "{detail}");

    let unreadable =
        r#"{"type":"desired_state","revision":{"epoch":2,"counter":8},"digest":"","groups":[{"vrid":0}]}"#;
    session.send_text(unreadable.to_owned()).await;
    assert_eq!(session.rejected().await.0, revision(2, 8));
    session.send_text(r#"{"type":"of_a_later_version","x":1}"#.to_owned()).await;

    assert!(agent.was_told_nothing());
    session.desire(state(2, 8)).await;
    assert_eq!(agent.apply().await, revision(2, 8), "the session has survived all of it");
    agent.stop().await;
}

#[tokio::test]
async fn what_the_dataplane_rejects_is_told_to_the_server_and_not_stored() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;

    session.desire(state(1, 1)).await;
    let revision = agent.told_to_apply().await;
    let reason =
        api_types::node::RejectionReason { group: Some("web".to_owned()), detail: "no eth9".to_owned() };
    agent.report(Report::Rejected { revision, reasons: vec![reason] }).await;
    assert_eq!(session.rejected().await, (revision, "no eth9".to_owned()));
    agent.stop().await;
    assert!(!config.state_dir.join("desired-state").exists());
}

#[tokio::test]
async fn without_a_server_an_agent_starts_from_the_last_good_state_on_disk() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let current = config.state_dir.join("desired-state");

    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    for counter in 1..=2 {
        session.desire(state(1, counter)).await;
        agent.apply().await;
        let stored = format!("\"counter\":{counter}");
        eventually(
            "the state is stored",
            || std::fs::read_to_string(&current).unwrap_or_default(),
            |text| text.contains(&stored),
        )
        .await;
    }
    agent.stop().await;
    drop((session, server));

    let mut agent = Agent::start(&config).await;
    assert_eq!(agent.apply().await, revision(1, 2));
    agent.stop().await;

    std::fs::write(&current, "damaged").unwrap();
    let mut agent = Agent::start(&config).await;
    assert_eq!(agent.apply().await, revision(1, 1), "the generation before");
    agent.stop().await;
}

#[tokio::test]
async fn a_stored_state_is_not_undone_by_an_older_one_from_a_server() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    // As a version that did not write the origin has stored it: it counts as this identity's.
    let assignment = Assignment { origin: None, state: state(3, 5) };
    DesiredStateStore::new(&config.state_dir).save(&assignment).unwrap();

    let mut agent = Agent::start(&config).await;
    assert_eq!(agent.told_to_apply().await, revision(3, 5));
    let (mut session, hello) = server.welcome(&[]).await;
    assert_eq!(hello.applied_revision, None, "the dataplane has not answered yet");
    session.desire(state(3, 4)).await;
    assert_eq!(session.rejected().await.0, revision(3, 4));
    agent.report(Report::Applied(revision(3, 5))).await;
    assert_eq!(session.applied().await.0, revision(3, 5));
    agent.stop().await;
}

#[tokio::test]
async fn a_node_that_is_enrolled_anew_runs_on_and_obeys_the_new_count_from_its_beginning() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    let (_, identity) = enrolled(&config, &authority);
    let groups = vec![group(1)];
    let old = DesiredState::new(revision(1, 6), groups.clone(), Vec::new()).unwrap();
    let assignment = Assignment { origin: Some(identity.origin()), state: old };
    DesiredStateStore::new(&config.state_dir).save(&assignment).unwrap();
    let anew = Enrolment { node_id: Uuid::new_v4(), node: "lb1".to_owned(), ca_pem: authority.pem() };
    Identity::store(&config.state_dir, anew).unwrap();

    let mut agent = Agent::start(&config).await;
    let told = within("a command", agent.commands.recv()).await;
    assert_eq!(told, Some(Command::Apply { revision: revision(1, 6), groups }), "it runs on");
    agent.report(Report::Applied(revision(1, 6))).await;
    eventually_applied(&config, revision(1, 6)).await;
    let (mut session, hello) = server.welcome(&[]).await;
    assert_eq!(hello.applied_revision, None, "the new count knows nothing of it");
    session.desire(state(1, 1)).await;
    assert_eq!(agent.apply().await, revision(1, 1));
    assert_eq!(session.applied().await.0, revision(1, 1));
    session.desire(state(1, 0)).await;
    assert_eq!(session.rejected().await.0, revision(1, 0), "and from then on its count holds");
    agent.stop().await;

    // The new count is the one on disk.
    let mut agent = Agent::start(&config).await;
    assert_eq!(agent.apply().await, revision(1, 1));
    let (mut session, _) = server.welcome(&[]).await;
    session.desire(state(1, 0)).await;
    rejection_is(&config, Some(revision(1, 0))).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_control_refuses_is_shown_on_the_host_until_what_is_asked_for_runs() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    session.desire(state(1, 5)).await;
    agent.apply().await;
    session.applied().await;

    let wrong = DesiredState { digest: "0".repeat(64), ..state(1, 6) };
    for (refused, why) in [(state(1, 4), "older than 1.5"), (wrong, "the digest does not match")] {
        session.desire(refused.clone()).await;
        session.rejected().await;
        let shown = rejection_is(&config, Some(refused.revision)).await.unwrap();
        assert!(shown.reasons[0].detail.contains(why), "{shown:?}");
    }
    // What runs is older than what was refused, which is still asked for.
    session.desire(state(1, 5)).await;
    session.applied().await;
    rejection_is(&config, Some(revision(1, 6))).await;
    session.desire(state(1, 6)).await;
    agent.apply().await;
    rejection_is(&config, None).await;

    let unreadable = r#"{"type":"desired_state","revision":{"epoch":1,"counter":7},"groups":7}"#;
    session.send_text(unreadable.to_owned()).await;
    rejection_is(&config, Some(revision(1, 7))).await;
    agent.stop().await;
}

async fn eventually_applied(config: &Config, revision: Revision) {
    status_that(config, "it runs", |status| status.applied_revision == Some(revision)).await;
}

/// Waits until this revision is shown as rejected, or none.
async fn rejection_is(config: &Config, revision: Option<Revision>) -> Option<Rejection> {
    let shown = |status: &LocalStatus| status.rejection.as_ref().map(|rejection| rejection.revision);
    status_that(config, "the rejection", |status| shown(status) == revision).await.rejection
}

#[tokio::test]
async fn while_one_state_is_being_applied_only_the_newest_of_those_that_follow_waits() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;

    session.desire(state(1, 1)).await;
    assert_eq!(agent.told_to_apply().await, revision(1, 1));
    for counter in 2..=50 {
        session.desire(state(1, counter)).await;
    }
    // The refusal of an older one shows that all of them have been read.
    session.desire(state(1, 3)).await;
    assert_eq!(session.rejected().await.0, revision(1, 3));
    agent.report(Report::Applied(revision(1, 1))).await;
    assert_eq!(agent.apply().await, revision(1, 50));
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_is_told_to_stop_applies_nothing_more() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;
    let mut stopping = tokio::spawn(agent.stop());
    session.desire(state(1, 1)).await;
    within("the agent stops", &mut stopping).await.unwrap();
    drop(Command::Stop);
}

/// A group with a long name, as many addresses as people give one, and two peers.
pub(crate) fn group(number: u32) -> DesiredGroup {
    let address = |last: u32| std::net::Ipv4Addr::from(0x0a00_0000 + number * 16 + last);
    let peer = |name: &str, last| DesiredPeer {
        name: name.parse().unwrap(),
        address: Some(address(last).into()),
        priority: Priority::MIN,
        external: false,
    };
    DesiredGroup {
        id: Uuid::from_u128(u128::from(number)),
        name: format!("customer-{number:04}-web-frontend").parse().unwrap(),
        generation: 1,
        interface: format!("vlan{}", number / 250),
        family: Family::Ipv4,
        vrid: Vrid::new(u8::try_from(number % 250 + 1).unwrap()).unwrap(),
        version: Version::V3,
        advertisement_interval_ms: AdvertisementInterval::DEFAULT_V3,
        preempt_mode: true,
        checksum: Checksum::Auto,
        virtual_addresses: vec![format!("{}/8", address(1)).parse().unwrap()],
        priority: Priority::MIN,
        peers: vec![peer("load-balancer-2", 2), peer("load-balancer-3", 3)],
        options: api_types::protocol::ProtocolOptions::default(),
        drained: false,
        track: Vec::new(),
        sync_group: None,
        pre_active: None,
        hooks: Vec::new(),
    }
}

#[tokio::test]
async fn a_node_can_be_a_member_of_a_thousand_groups() {
    let (directory, authority) = (tempdir().unwrap(), Authority::new());
    let server = Server::new(&authority).await;
    let config = config(directory.path(), &server.url(), "");
    enrolled(&config, &authority);
    let mut agent = Agent::start(&config).await;
    let (mut session, _) = server.welcome(&[]).await;

    let groups: Vec<_> = (0..1_000).map(group).collect();
    let state = DesiredState::new(revision(1, 1), groups.clone(), Vec::new()).unwrap();
    let octets = serde_json::to_vec(&ServerMessage::DesiredState(state.clone())).unwrap().len();
    assert!(octets < MAX_MESSAGE_OCTETS, "{octets}");
    session.desire(state).await;
    let told = within("a command", agent.commands.recv()).await;
    assert_eq!(told, Some(Command::Apply { revision: revision(1, 1), groups: groups.clone() }));
    agent.report(Report::Applied(revision(1, 1))).await;
    assert_eq!(session.applied().await.0, revision(1, 1));
    agent.stop().await;

    // And it starts from them without a server.
    let mut agent = Agent::start(&config).await;
    let told = within("a command", agent.commands.recv()).await;
    assert_eq!(told, Some(Command::Apply { revision: revision(1, 1), groups }));
    agent.crash().await;
}
