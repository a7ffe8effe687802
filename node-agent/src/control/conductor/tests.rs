//! What goes to the dataplane, in what order, and what does not.

use api_types::channel::DesiredState;

use super::*;

fn state(epoch: i64, counter: i64) -> Assignment {
    let state = DesiredState::new(Revision { epoch, counter }, Vec::new(), Vec::new()).unwrap();
    Assignment { origin: Some(origin(1)), state }
}

fn origin(number: u128) -> Origin {
    Origin { node_id: uuid::Uuid::from_u128(number), authority: "one".to_owned() }
}

/// The same from another origin.
fn anew(assignment: Assignment) -> Assignment {
    Assignment { origin: Some(origin(2)), ..assignment }
}

/// A course on which this state runs.
fn running(epoch: i64, counter: i64) -> Course {
    let mut course = Course::default();
    course.consider(state(epoch, counter));
    course.sent();
    course.accepted(Revision { epoch, counter }).unwrap();
    course
}

impl Course {
    fn sent(&mut self) {
        let (commands, _dataplane) = mpsc::channel(1);
        assert!(self.advance(&commands));
    }
}

#[test]
fn what_was_restored_goes_to_the_dataplane_at_once() {
    let (commands, mut dataplane) = mpsc::channel(1);
    let course = Course::restored(Some(state(1, 5)), &commands);
    let revision = Revision { epoch: 1, counter: 5 };
    assert_eq!(dataplane.try_recv(), Ok(Command::Apply { revision, groups: Vec::new() }));
    assert_eq!(course.newest(), Some(revision));
}

#[test]
fn a_full_dataplane_is_asked_again_and_nothing_is_lost() {
    let (commands, mut dataplane) = mpsc::channel(1);
    commands.try_send(Command::Stop).unwrap();
    let mut course = Course::restored(Some(state(1, 5)), &commands);
    assert_eq!(course.next(), Some(&state(1, 5)));
    dataplane.try_recv().unwrap();
    assert!(course.advance(&commands));
    assert!(course.next().is_none());
}

#[test]
fn an_older_revision_never_runs() {
    for (epoch, counter) in [(1, 4), (0, 9)] {
        let mut course = running(1, 5);
        assert!(matches!(course.consider(state(epoch, counter)), Verdict::Refused(_)));
        assert!(course.next().is_none());
    }
}

#[test]
fn a_newer_epoch_runs_whatever_its_counter() {
    let mut course = running(1, 5);
    assert_eq!(course.consider(state(2, 1)), Verdict::Taken);
    assert_eq!(course.next(), Some(&state(2, 1)));
}

#[test]
fn what_runs_is_not_applied_again() {
    let mut course = running(1, 5);
    assert_eq!(course.consider(state(1, 5)), Verdict::Runs);
    assert!(course.next().is_none());
}

#[test]
fn the_same_revision_with_other_contents_or_a_wrong_digest_never_runs() {
    let mut course = running(1, 5);
    let mut other = state(1, 6);
    other.state.digest = "0".repeat(64);
    assert!(matches!(course.consider(other), Verdict::Refused(_)));
    course.applied = Some(Label { digest: "other".to_owned(), ..state(1, 5).label() });
    assert!(matches!(course.consider(state(1, 5)), Verdict::Refused(_)));
    assert!(course.next().is_none());
}

#[test]
fn one_is_on_its_way_at_a_time_and_the_newest_goes_next() {
    let mut course = running(1, 5);
    course.consider(state(1, 6));
    course.sent();
    assert_eq!(course.consider(state(1, 7)), Verdict::Taken);
    assert_eq!(course.consider(state(1, 8)), Verdict::Taken);
    assert!(matches!(course.consider(state(1, 6)), Verdict::Refused(_)), "7 and 8 are known");
    assert!(course.next().is_none(), "6 has no answer yet");
    course.accepted(Revision { epoch: 1, counter: 6 }).unwrap();
    assert_eq!(course.next(), Some(&state(1, 8)));
}

#[test]
fn after_a_rejection_the_one_before_is_what_counts() {
    let mut course = running(1, 5);
    course.consider(state(1, 6));
    course.sent();
    course.rejected(Revision { epoch: 1, counter: 6 });
    assert_eq!(course.consider(state(1, 5)), Verdict::Runs);
    assert_eq!(course.consider(state(1, 6)), Verdict::Taken, "it may be acceptable by now");
}
#[test]
fn what_another_origin_has_counted_is_no_measure() {
    let mut course = running(1, 5);
    assert_eq!(course.consider(anew(state(1, 1))), Verdict::Taken);
    assert_eq!(course.next(), Some(&anew(state(1, 1))));
    assert!(matches!(course.consider(anew(state(1, 0))), Verdict::Refused(_)), "its own count holds");
    course.sent();
    course.rejected(Revision { epoch: 1, counter: 1 });
    assert_eq!(course.consider(anew(state(1, 2))), Verdict::Taken, "what runs is still of the other");
    course.sent();
    course.accepted(Revision { epoch: 1, counter: 2 }).unwrap();
    assert!(matches!(course.consider(anew(state(1, 1))), Verdict::Refused(_)));
}

#[test]
fn the_same_revision_of_another_origin_runs_anew() {
    let mut course = running(1, 5);
    assert_eq!(course.consider(anew(state(1, 5))), Verdict::Taken);
    assert_eq!(course.next(), Some(&anew(state(1, 5))));
}
