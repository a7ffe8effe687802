//! Who is told when a member has let go of addresses and could not say so on the LAN.
//!
//! What counts is time, so nothing here asks the database: who runs which group is known from what each
//! session was last told to run. A session that does not keep up misses assists, and plain VRRP timing holds
//! for it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use api_types::Name;
use api_types::assist::{LetGo, RelayedAssist};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::mailboxes::Mailboxes;
use crate::store::sessions::SessionKey;

/// How many assists may wait for one session.
const WAITING: usize = 256;

/// The sessions of agents that understand assists.
#[derive(Debug)]
pub struct Assists {
    mailboxes: Mailboxes<RelayedAssist>,
    /// Locked before the mailboxes.
    runs: Mutex<Runs>,
}

/// Who runs which group.
#[derive(Debug, Default)]
struct Runs {
    of_node: HashMap<Uuid, Vec<Uuid>>,
    of_group: HashMap<Uuid, BTreeSet<Uuid>>,
}

impl Default for Assists {
    fn default() -> Self {
        Self { mailboxes: Mailboxes::with_room(WAITING), runs: Mutex::default() }
    }
}

impl Assists {
    /// Lets a new session hear assists; an older one of the node hears no more.
    pub fn join(&self, key: SessionKey) -> mpsc::Receiver<RelayedAssist> {
        let mut runs = self.runs();
        runs.replace(key.node, Vec::new());
        self.mailboxes.join(key)
    }

    /// Notes which groups the node of this session was told to run.
    pub fn learn(&self, key: SessionKey, groups: Vec<Uuid>) {
        let mut runs = self.runs();
        if self.mailboxes.belongs_to(key) {
            runs.replace(key.node, groups);
        }
    }

    /// Forgets this session.
    pub fn leave(&self, key: SessionKey) {
        let mut runs = self.runs();
        if self.mailboxes.leave(key) {
            runs.replace(key.node, Vec::new());
        }
    }

    /// Those of the groups that `node` was told to run here: of no other does it know anything.
    #[must_use]
    pub fn own(&self, node: Uuid, groups: &[LetGo]) -> Vec<LetGo> {
        let runs = self.runs();
        let own = |let_go: &&LetGo| {
            runs.of_group.get(&let_go.group_id).is_some_and(|members| members.contains(&node))
        };
        groups.iter().filter(own).copied().collect()
    }

    /// Tells every other member that has a session here, and returns how many were told. Waits for nobody.
    pub fn deliver(&self, from: Uuid, name: &Name, groups: &[LetGo]) -> usize {
        let runs = self.runs();
        let mut told: HashMap<Uuid, Vec<LetGo>> = HashMap::new();
        for let_go in groups {
            let members = runs.of_group.get(&let_go.group_id).into_iter().flatten();
            for member in members.filter(|member| **member != from) {
                told.entry(*member).or_default().push(*let_go);
            }
        }
        let tell = |(node, groups): &(Uuid, Vec<LetGo>)| {
            self.mailboxes.send(*node, RelayedAssist { node: name.clone(), groups: groups.clone() })
        };
        told.into_iter().filter(tell).count()
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    /// The node runs these groups, and no others.
    fn replace(&mut self, node: Uuid, groups: Vec<Uuid>) {
        for group in self.of_node.remove(&node).unwrap_or_default() {
            if let Some(members) = self.of_group.get_mut(&group) {
                members.remove(&node);
                if members.is_empty() {
                    self.of_group.remove(&group);
                }
            }
        }
        if groups.is_empty() {
            return;
        }
        for group in &groups {
            self.of_group.entry(*group).or_default().insert(node);
        }
        self.of_node.insert(node, groups);
    }
}

#[cfg(test)]
mod tests {
    use api_types::assist::LetGoReason;

    use super::*;

    const WEB: Uuid = Uuid::from_u128(51);
    const DB: Uuid = Uuid::from_u128(52);

    fn key(node: u128, session: u128) -> SessionKey {
        let server = Uuid::from_u128(9);
        SessionKey { node: Uuid::from_u128(node), session: Uuid::from_u128(session), server }
    }

    fn let_go(group_id: Uuid) -> LetGo {
        LetGo { group_id, source: [192, 0, 2, 1].into(), sequence: 7, reason: LetGoReason::LinkDown }
    }

    fn heard(receiver: &mut mpsc::Receiver<RelayedAssist>) -> Vec<Uuid> {
        let mut groups = Vec::new();
        while let Ok(assist) = receiver.try_recv() {
            groups.extend(assist.groups.into_iter().map(|let_go| let_go.group_id));
        }
        groups
    }

    #[test]
    fn every_other_member_is_told_of_its_own_groups_only() {
        let assists = Assists::default();
        let (one, two, three) = (key(1, 11), key(2, 12), key(3, 13));
        let [mut first, mut second, mut third] = [one, two, three].map(|key| assists.join(key));
        assists.learn(one, vec![WEB, DB]);
        assists.learn(two, vec![WEB, DB]);
        assists.learn(three, vec![DB]);
        let name: Name = "lb1".parse().unwrap();
        assert_eq!(assists.deliver(one.node, &name, &[let_go(WEB), let_go(DB)]), 2);
        assert!(heard(&mut first).is_empty(), "not itself");
        assert_eq!((heard(&mut second), heard(&mut third)), (vec![WEB, DB], vec![DB]));

        assists.learn(two, vec![WEB]);
        assert_eq!(assists.deliver(one.node, &name, &[let_go(DB)]), 1);
        assert_eq!((heard(&mut second), heard(&mut third)), (vec![], vec![DB]), "it runs it no more");
    }

    #[test]
    fn a_node_speaks_of_what_it_runs_and_of_nothing_else() {
        let assists = Assists::default();
        let _receiver = assists.join(key(1, 11));
        assists.learn(key(1, 11), vec![WEB]);
        assert_eq!(assists.own(Uuid::from_u128(1), &[let_go(WEB), let_go(DB)]), [let_go(WEB)]);
        assert_eq!(assists.own(Uuid::from_u128(2), &[let_go(WEB)]), []);
    }

    #[test]
    fn a_session_that_was_replaced_takes_nothing_along_and_one_that_is_slow_holds_nobody_up() {
        let assists = Assists::default();
        let _old = assists.join(key(1, 11));
        let mut new = assists.join(key(1, 21));
        assists.learn(key(1, 11), vec![DB]);
        assists.learn(key(1, 21), vec![WEB]);
        assists.leave(key(1, 11));
        let name: Name = "lb2".parse().unwrap();
        let told: usize =
            (0..2 * WAITING).map(|_| assists.deliver(Uuid::from_u128(2), &name, &[let_go(WEB)])).sum();
        assert_eq!((told, heard(&mut new).len()), (WAITING, WAITING));
        assists.leave(key(1, 21));
        assert_eq!(assists.deliver(Uuid::from_u128(2), &name, &[let_go(WEB)]), 0);
    }
}
