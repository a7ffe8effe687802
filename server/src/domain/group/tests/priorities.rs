//! Priorities that are left out.

use super::*;

/// `None` for a node without a priority.
fn group(interval: u32, version: u8, priorities: &[Option<u8>]) -> GroupDraft {
    let mut draft = with(&[
        ("version", json!(version)),
        ("advertisement_interval_ms", json!(interval)),
        ("members", (0..priorities.len()).map(|number| node(&format!("n{number}"), "eth0", 100)).collect()),
    ]);
    for (member, written) in draft.members.as_mut().unwrap().iter_mut().zip(priorities) {
        let MemberDraft::Node { priority, .. } = member else { unreachable!("all are nodes") };
        *priority = Some(written.and_then(Priority::new));
    }
    draft
}

#[test]
fn an_interval_that_has_no_room_for_the_members_is_refused() {
    let cases: [(u32, u8, usize, &[&str]); 8] = [
        (10, 3, 4, &[]),
        (10, 3, 5, &["/advertisement_interval_ms"]),
        (20, 3, 7, &[]),
        (20, 3, 8, &["/advertisement_interval_ms"]),
        (100, 3, 30, &[]),
        (100, 3, 31, &["/members"]),
        (3_000, 2, 30, &[]),
        (3_000, 2, 31, &["/members"]),
    ];
    for (interval, version, count, wanted) in cases {
        let draft = group(interval, version, &vec![None; count]);
        assert_eq!(pointers(&draft), wanted, "{count} at {interval} ms");
        assert_eq!(draft.complete().is_some(), wanted.is_empty());
    }
    let refused = faults_of(&group(10, 3, &[None; 5]));
    assert!(refused[0].detail.ends_with("allowed are at least 20 ms, or priorities that are written"));
}

#[test]
fn what_the_rule_cannot_know_it_does_not_judge() {
    let mut draft = group(10, 3, &[None; 5]);
    draft.members.as_mut().unwrap().push(MemberDraft::Unread);
    assert_eq!(pointers(&draft), Vec::<String>::new());
    let of_the_other_version = group(10, 2, &[None; 5]);
    assert_eq!(faults_of(&of_the_other_version).len(), 1, "only that version 2 has no such interval");
}

#[test]
fn a_complete_group_has_the_priorities_that_were_given() {
    let spec = group(100, 3, &[None, Some(200), None]).complete().unwrap();
    let given: Vec<_> = spec.members.iter().map(|member| member.priority().get()).collect();
    assert_eq!(given, [240, 200, 232]);
}
