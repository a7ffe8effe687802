//! What the priorities of a group let one expect, before anything fails.

use api_types::condition::ConditionKind;
use api_types::group::Member;
use api_types::group::priorities::{are_too_close, spacing};
use vrrp::AdvertisementInterval;

use super::Finding;

/// The priorities of nodes that are kept for moving the addresses on request.
const RESERVED: std::ops::RangeInclusive<u8> = 250..=254;

/// What is doubtful about the priorities of these members.
pub(super) fn of_group(members: &[Member], interval: AdvertisementInterval) -> Vec<Finding> {
    too_close(members, interval).into_iter().chain(reserved(members)).collect()
}

fn too_close(members: &[Member], interval: AdvertisementInterval) -> Option<Finding> {
    let mut by_priority: Vec<&Member> = members.iter().collect();
    by_priority.sort_by_key(|member| std::cmp::Reverse(member.priority()));
    let pairs: Vec<_> = by_priority
        .iter()
        .zip(by_priority.iter().skip(1))
        .filter(|(one, other)| are_too_close(one.priority(), other.priority(), interval))
        .map(|(one, other)| format!("{} and {}", shown(one), shown(other)))
        .collect();
    let detail = format!(
        "as backups, {} may take over at the same time: at {interval}, priorities at least {} apart \
         keep them from it",
        pairs.join(", "),
        spacing(interval),
    );
    (!pairs.is_empty()).then(|| Finding::at_once(ConditionKind::PrioritiesTooClose, detail))
}

fn reserved(members: &[Member]) -> Option<Finding> {
    let nodes: Vec<_> = members
        .iter()
        .filter(|member| matches!(member, Member::Node(_)) && RESERVED.contains(&member.priority().get()))
        .map(shown)
        .collect();
    let detail = format!(
        "priorities from {} to {} are kept for moving the addresses on request: use at most {} for {}",
        RESERVED.start(),
        RESERVED.end(),
        RESERVED.start() - 1,
        nodes.join(" and "),
    );
    (!nodes.is_empty()).then(|| Finding::at_once(ConditionKind::PriorityReserved, detail))
}

fn shown(member: &Member) -> String {
    format!("{} ({})", member.name(), member.priority())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str, priority: u8) -> Member {
        let member = json!({"kind": "node", "node": name, "interface": "eth0", "priority": priority});
        serde_json::from_value(member).unwrap()
    }

    fn external(name: &str, priority: u8) -> Member {
        let member = json!({"kind": "external", "name": name, "address": "192.0.2.9", "priority": priority});
        serde_json::from_value(member).unwrap()
    }

    fn found(interval: i64, members: &[Member]) -> Vec<(ConditionKind, String)> {
        let interval = AdvertisementInterval::try_from(interval).unwrap();
        of_group(members, interval).into_iter().map(|finding| (finding.kind, finding.detail)).collect()
    }

    #[test]
    fn members_whose_skews_nearly_agree_are_named() {
        let cases = [
            (100, vec![node("a", 240), node("b", 232)], None),
            (100, vec![node("a", 240), node("b", 233)], Some("a (240) and b (233)")),
            (10, vec![node("a", 240), node("b", 164)], Some("a (240) and b (164)")),
            (10, vec![node("a", 240), node("b", 163)], None),
            (1_000, vec![node("a", 240), external("b", 239)], None),
            (3_000, vec![external("a", 100), external("b", 100)], Some("a (100) and b (100)")),
            (100, vec![node("a", 100), node("b", 240), external("c", 99)], Some("a (100) and c (99)")),
            (
                100,
                vec![node("a", 7), node("b", 7), external("c", 9)],
                Some("c (9) and a (7), a (7) and b (7)"),
            ),
            (100, vec![node("a", 255), node("b", 249)], None),
            (100, vec![], None),
        ];
        for (interval, members, wanted) in cases {
            let wanted = wanted.map(|pairs| {
                let apart = if interval == 10 { 77 } else { 8 };
                let detail = format!(
                    "as backups, {pairs} may take over at the same time: at {interval} ms, priorities at least \
                     {apart} apart keep them from it"
                );
                (ConditionKind::PrioritiesTooClose, detail)
            });
            assert_eq!(found(interval, &members), Vec::from_iter(wanted), "{interval} ms");
        }
    }

    #[test]
    fn nodes_with_the_priorities_of_a_planned_move_are_named() {
        let cases = [
            (vec![node("a", 249), node("b", 200)], None),
            (vec![node("a", 250), node("b", 200)], Some("a (250)")),
            (vec![node("a", 200), node("b", 254)], Some("b (254)")),
            (vec![external("a", 254), node("b", 200)], None),
            (vec![node("a", 255), node("b", 200)], None),
        ];
        for (members, wanted) in cases {
            let found = found(1_000, &members);
            assert_eq!(found.len(), usize::from(wanted.is_some()), "{found:?}");
            for ((kind, detail), names) in found.into_iter().zip(wanted) {
                assert_eq!(kind, ConditionKind::PriorityReserved);
                assert!(detail.ends_with(&format!("use at most 249 for {names}")), "{detail}");
            }
        }
    }
}
