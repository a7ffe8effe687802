//! What a group leaves to be done by whoever drives it.

use std::collections::BTreeSet;

use api_types::assist::LetGo;
use vrrp::Instant;

use crate::dataplane::binder::{GroupHandle, Wish};
use crate::dataplane::transmit::Saying;

/// What is to be done, in the order in which each list was filled.
#[derive(Debug, Default)]
pub(in super::super) struct Effects {
    /// Advertisements to send.
    pub(in super::super) advertisements: Vec<(GroupHandle, Saying)>,
    /// What groups want to hold.
    pub(in super::super) wishes: Vec<(GroupHandle, Want)>,
    /// Groups that a successor was heard of.
    pub(in super::super) hushes: Vec<GroupHandle>,
    /// Groups to announce.
    pub(in super::super) announcements: Vec<GroupHandle>,
    /// What was let go of without a word on the LAN.
    pub(in super::super) let_go: Vec<LetGo>,
    /// Groups that heard another router hold the addresses than before, and when.
    pub(in super::super) new_holders: Vec<(GroupHandle, Instant)>,
    /// Groups of which shared memory is to say something else.
    pub(in super::super) touched: BTreeSet<GroupHandle>,
    /// Whether other addresses than before are to be kept silent until a hook has succeeded.
    pub(in super::super) entry: bool,
    /// Whether control is to hear how things stand.
    pub(in super::super) news: bool,
    /// What people should read in the log.
    pub(in super::super) notices: Vec<String>,
}

/// What a group wants to hold.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Want {
    /// This.
    Hold(Wish),
    /// Nothing, in a moment: another member holds it by now.
    HandOver,
    /// Nothing.
    Nothing,
}
