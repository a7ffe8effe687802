//! What this node has let go of and no server could be told of yet.
//!
//! A worker that was just started finds what the guard took away before it has a session. Others obey an
//! assist only while the last advertisement that they accepted is the one that it names, so it may come late;
//! it is kept for as long as somebody might still wait.

use std::time::Duration;

use api_types::assist::LetGo;
use tokio::time::Instant;

/// For how long.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// The oldest first.
#[derive(Debug, Default)]
pub(crate) struct Untold(Vec<(Instant, Vec<LetGo>)>);

impl Untold {
    /// Keeps it from `now` on.
    pub(crate) fn keep(&mut self, let_go: Vec<LetGo>, now: Instant) {
        self.0.push((now + KEPT_FOR, let_go));
    }

    /// Whether there is nothing to be told.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells what is not too old by `tell`, which says whether somebody has listened.
    pub(crate) fn tell(&mut self, now: Instant, tell: impl Fn(&[LetGo]) -> bool) {
        self.0.retain(|(until, let_go)| now < *until && !tell(let_go));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use api_types::assist::LetGoReason;
    use uuid::Uuid;

    use super::*;

    fn let_go(sequence: u16) -> Vec<LetGo> {
        let (group_id, source) = (Uuid::nil(), "192.0.2.1".parse().unwrap());
        vec![LetGo { group_id, source, sequence, reason: LetGoReason::Guard }]
    }

    #[test]
    fn what_nobody_heard_is_told_once_somebody_listens_unless_it_is_too_old() {
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut untold = Untold::default();
        untold.keep(let_go(1), start);
        untold.keep(let_go(2), after(1));
        untold.tell(after(4_999), |_| false);
        let heard = RefCell::new(Vec::new());
        for _ in 0..2 {
            untold.tell(after(5_000), |let_go| {
                heard.borrow_mut().extend_from_slice(let_go);
                true
            });
        }
        assert_eq!(heard.into_inner(), let_go(2));
        assert!(untold.is_empty());
    }
}
