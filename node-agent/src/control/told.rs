//! What a session has told the server about each group, and what is worth telling next.
//!
//! A state is told at once. What changes with every advertisement is not worth a message of its own, and what
//! a stranger on the LAN can change at will must not be either: it is looked at every [`GLANCE`] and told if
//! somebody should know, and counters come with the refresh. One message has room for so much; what does not
//! fit goes first the next time.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::channel::{AgentStatus, GroupReport, MAX_MESSAGE_OCTETS, MemberDetails};
use uuid::Uuid;

/// How often it is looked at whether somebody else is heard than the server knows.
pub(super) const GLANCE: Duration = Duration::from_secs(2);
/// How much of a message details may take.
const ROOM: usize = MAX_MESSAGE_OCTETS / 2;

/// Which details a message takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Those that somebody should know about.
    News,
    /// All that have changed, counters too.
    Everything,
}

impl Depth {
    fn is_worth_telling(self, known: Option<&MemberDetails>, now: &MemberDetails) -> bool {
        match (self, known) {
            (_, None) => true,
            (Self::News, Some(known)) => !known.says_the_same(now),
            (Self::Everything, Some(known)) => known.counters != now.counters || !known.says_the_same(now),
        }
    }
}

/// What the server knows by this session.
#[derive(Debug, Default)]
pub(super) struct Told {
    details: BTreeMap<Uuid, MemberDetails>,
    /// The group whose details were told last.
    last: Option<Uuid>,
}

impl Told {
    /// Whether the server should hear of these groups, if only for their details.
    pub(super) fn is_behind(&self, groups: &[GroupReport]) -> bool {
        let is_news = |id, details| Depth::News.is_worth_telling(self.details.get(id), details);
        groups
            .iter()
            .any(|group| group.details.as_ref().is_some_and(|details| is_news(&group.group_id, details)))
    }

    /// Leaves those details in the status that are worth telling and fit, and remembers them as told.
    pub(super) fn reduce(&mut self, status: &mut AgentStatus, depth: Depth) {
        self.reduce_to(status, depth, ROOM);
    }

    fn reduce_to(&mut self, status: &mut AgentStatus, depth: Depth, mut room: usize) {
        if depth == Depth::News {
            (status.interface_counters, status.timing) = (None, None);
        }
        let mut details: Vec<_> = status
            .groups
            .iter_mut()
            .filter_map(|group| Some((group.group_id, group.details.take()?)))
            .collect();
        details.sort_unstable_by_key(|(group, _)| *group);
        self.details.retain(|group, _| details.binary_search_by_key(group, |(group, _)| *group).is_ok());
        details.retain(|(group, now)| depth.is_worth_telling(self.details.get(group), now));
        let next = details.partition_point(|(group, _)| Some(*group) <= self.last);
        details.rotate_left(next);

        let mut chosen = BTreeMap::new();
        for (group, now) in details {
            let octets = serde_json::to_string(&now).map_or(usize::MAX, |text| text.len());
            let Some(left) = room.checked_sub(octets) else { break };
            room = left;
            self.last = Some(group);
            self.details.insert(group, now.clone());
            chosen.insert(group, now);
        }
        for group in &mut status.groups {
            group.details = chosen.remove(&group.group_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use api_types::Timestamp;
    use api_types::counters::GroupCounters;
    use api_types::transition::State;
    use chrono::DateTime;

    use super::*;

    fn report(group: u128, details: MemberDetails) -> GroupReport {
        GroupReport {
            group_id: Uuid::from_u128(group),
            state: State::Backup,
            since: Timestamp::from(DateTime::UNIX_EPOCH),
            effective_priority: vrrp::Priority::MIN,
            active_source: None,
            addresses_present: Vec::new(),
            details: Some(details),
        }
    }

    fn counted(advertisement_rcvd: u64) -> MemberDetails {
        let counters = GroupCounters { advertisement_rcvd, ..GroupCounters::default() };
        MemberDetails { counters, ..MemberDetails::default() }
    }

    fn dropping(cause: &str, advertisement_rcvd: u64) -> MemberDetails {
        MemberDetails { dropping: vec![cause.to_owned()], ..counted(advertisement_rcvd) }
    }

    /// The groups whose details a message takes along.
    fn sent(told: &mut Told, groups: Vec<GroupReport>, depth: Depth, room: usize) -> Vec<u128> {
        let at = Timestamp::from(DateTime::UNIX_EPOCH);
        let mut status = AgentStatus {
            at,
            interfaces: Vec::new(),
            groups,
            interface_counters: Some(Vec::new()),
            fences: None,
            timing: None,
        };
        told.reduce_to(&mut status, depth, room);
        assert_eq!(status.interface_counters.is_some(), depth == Depth::Everything);
        let with_details = status.groups.iter().filter(|group| group.details.is_some());
        with_details.map(|group| group.group_id.as_u128()).collect()
    }

    #[test]
    fn a_counter_alone_is_no_news_and_comes_with_the_refresh() {
        let mut told = Told::default();
        let groups = |count, cause: &str| vec![report(1, counted(count)), report(2, dropping(cause, count))];
        assert_eq!(sent(&mut told, groups(1, "ttl"), Depth::Everything, ROOM), [1, 2]);
        assert!(!told.is_behind(&groups(1_000_000, "ttl")), "a flood is no news");
        assert_eq!(sent(&mut told, groups(2, "ttl"), Depth::News, ROOM), [0; 0]);
        assert!(told.is_behind(&groups(2, "version")));
        assert_eq!(sent(&mut told, groups(2, "version"), Depth::News, ROOM), [2]);
        assert_eq!(
            sent(&mut told, groups(2, "version"), Depth::Everything, ROOM),
            [1],
            "2 was told with its news"
        );
    }

    #[test]
    fn what_does_not_fit_goes_first_the_next_time() {
        let mut told = Told::default();
        let room = 2 * serde_json::to_string(&counted(1)).unwrap().len();
        let groups = |count| (1..=5).map(|group| report(group, counted(count))).collect::<Vec<_>>();
        assert_eq!(sent(&mut told, groups(1), Depth::News, room), [1, 2]);
        assert!(told.is_behind(&groups(1)));
        assert_eq!(
            sent(&mut told, groups(2), Depth::Everything, room),
            [3, 4],
            "though 1 and 2 have changed too"
        );
        assert_eq!(sent(&mut told, groups(3), Depth::Everything, room), [1, 5]);
    }

    #[test]
    fn a_group_that_comes_back_is_told_anew() {
        let mut told = Told::default();
        assert_eq!(sent(&mut told, vec![report(1, counted(1))], Depth::News, ROOM), [1]);
        assert_eq!(sent(&mut told, Vec::new(), Depth::News, ROOM), [0; 0]);
        assert_eq!(sent(&mut told, vec![report(1, counted(1))], Depth::News, ROOM), [1]);
    }
}
