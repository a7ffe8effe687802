//! Which router is which member, and how the members of a group are shown.

use std::net::IpAddr;

use api_types::channel::MemberDetails;
use api_types::group::MemberStatus;
use api_types::peer::Peer;

use super::holder::Observed;
use super::readiness;

/// The member whose advertisements come from `source`.
#[must_use]
pub fn member_at(members: &[Observed], source: IpAddr) -> Option<&str> {
    members.iter().find(|member| member.is_at(source)).map(Observed::name)
}

/// Each member as the API shows it.
#[must_use]
pub fn statuses(members: &[Observed]) -> Vec<MemberStatus> {
    members.iter().map(|member| status(member, members)).collect()
}

fn status(member: &Observed, members: &[Observed]) -> MemberStatus {
    let unknown = MemberStatus {
        name: member.name().to_owned(),
        state: None,
        since: None,
        effective_priority: None,
        connected: None,
        ready: None,
        not_ready_because: None,
        fault: None,
        checksum: None,
        counters: None,
        dropping: Vec::new(),
        peers: Vec::new(),
        checks: Vec::new(),
        hooks: Vec::new(),
    };
    let Observed::Node(node) = member else { return unknown };
    let readiness = readiness::of_member(member, members);
    let known = MemberStatus {
        state: node.report.map(|report| report.state),
        since: node.report.map(|report| report.since),
        effective_priority: node.report.map(|report| report.effective_priority),
        connected: Some(node.connected),
        ready: Some(readiness.is_ok()),
        not_ready_because: readiness.err().map(|why| format!("{} {why}", node.name)),
        ..unknown
    };
    let Some(MemberDetails {
        fault,
        boost: _,
        boost_refused: _,
        checksum,
        counters,
        dropping,
        heard,
        checks,
        waits_for: _,
        hooks,
    }) = node.details.as_deref().cloned()
    else {
        return known;
    };
    let named = |peer: Peer| Peer { member: member_at(members, peer.source).map(str::to_owned), ..peer };
    MemberStatus {
        fault,
        checksum,
        counters: Some(counters),
        dropping,
        peers: heard.into_iter().map(named).collect(),
        checks,
        hooks,
        ..known
    }
}

#[cfg(test)]
pub(in crate::domain) mod tests {
    use api_types::transition::State;
    use vrrp::{AdvertisementInterval, Claim, Version};

    use super::*;
    use crate::domain::holder::tests::{external, node};

    pub(in crate::domain) fn peer(source: [u8; 4], priority: u8) -> Peer {
        Peer {
            source: source.into(),
            member: None,
            version: Version::V3,
            priority: Claim::from_octet(priority),
            advertisement_interval_ms: AdvertisementInterval::DEFAULT_V3,
            checksum: None,
            address_count: 1,
            discrepancies: Vec::new(),
            speaking: true,
            last_heard_at: chrono::DateTime::UNIX_EPOCH.into(),
        }
    }

    #[test]
    fn a_router_is_the_member_that_has_its_address_or_nobody() {
        let mut one = node(1, true, Some(State::Backup));
        let heard = vec![peer([192, 0, 2, 2], 100), peer([192, 0, 2, 9], 100), peer([192, 0, 2, 77], 100)];
        one.details = Some(Box::new(MemberDetails { heard, ..MemberDetails::default() }));
        let members = [Observed::Node(one), Observed::Node(node(2, false, None)), external()];
        let shown = statuses(&members);
        let names: Vec<_> = shown[0].peers.iter().map(|peer| peer.member.as_deref()).collect();
        assert_eq!(names, [Some("n2"), Some("keepalived"), None]);
        assert_eq!((shown[1].counters, shown[2].connected), (None, None));
    }
}
