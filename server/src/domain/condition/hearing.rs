//! What is not as it should be by what the members hear of each other, and of strangers.
//!
//! Only what is heard now counts: a member that is Backup says nothing, and what it said when it was active
//! may be about settings of the past. Members take up changed settings one after the other, so for a moment
//! they disagree.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use api_types::channel::MemberDetails;
use api_types::condition::ConditionKind;
use api_types::peer::Peer;
use api_types::protocol::Transport;
use vrrp::{Claim, DropCause};

use super::{Finding, GroupFacts};
use crate::domain::holder::{Observed, ObservedNode};
use crate::domain::peers::member_at;

/// How long members may disagree while a change is on its way. Agents look every two seconds whether they
/// hear another thing than before.
const SETTLES_IN: Duration = Duration::from_secs(5);
/// How many routers a sentence names.
const NAMED: usize = 4;

pub(super) fn of_group(members: &[Observed], group: &GroupFacts<'_>) -> Vec<Finding> {
    let witnesses = Witnesses::of(members);
    let heard = [
        (ConditionKind::MixedDialects, witnesses.mixed_dialects()),
        (ConditionKind::ForeignRouter, witnesses.foreign_router(group)),
        (ConditionKind::AddressListMismatch, witnesses.address_list_mismatch()),
        (ConditionKind::IntervalMismatch, witnesses.interval_mismatch()),
        (ConditionKind::AuthenticationMismatch, witnesses.authentication_mismatch()),
        (ConditionKind::TwoOwners, witnesses.two_owners()),
        (ConditionKind::DuplicateSource, witnesses.duplicate_source()),
    ];
    let finding = |(kind, detail): (_, Option<_>)| Some(Finding::lasting(kind, detail?, SETTLES_IN));
    heard.into_iter().filter_map(finding).collect()
}

/// A member to which unicast cannot be sent.
pub(super) fn peer_address_unknown(members: &[Observed], group: &GroupFacts<'_>) -> Option<Finding> {
    let unknown = |member: &Observed| match member {
        Observed::Node(node) if node.address.is_none() => {
            Some(format!("{} on {}", node.name, node.interface))
        }
        Observed::Node(_) | Observed::External { .. } => None,
    };
    let unknown: BTreeSet<_> = members.iter().filter_map(unknown).collect();
    let detail = || {
        format!("nothing is sent to {}: no address of this family is reported there", listed(unknown.clone()))
    };
    (group.transport == Transport::Unicast && !unknown.is_empty())
        .then(|| Finding::at_once(ConditionKind::PeerAddressUnknown, detail()))
}

/// The members whose agents say now what they hear.
struct Witnesses<'a> {
    members: &'a [Observed],
    said: Vec<(&'a ObservedNode, &'a MemberDetails)>,
}

impl<'a> Witnesses<'a> {
    fn of(members: &'a [Observed]) -> Self {
        let said = |member: &'a Observed| match member {
            Observed::Node(node) => Some((node, node.fresh_details()?)),
            Observed::External { .. } => None,
        };
        Self { members, said: members.iter().filter_map(said).collect() }
    }

    /// Who hears whom speak.
    fn heard(&self) -> impl Iterator<Item = (&'a ObservedNode, &'a Peer)> {
        let speaking = |(node, details): &(&'a ObservedNode, &'a MemberDetails)| {
            let node = *node;
            details.heard.iter().filter(|peer| peer.speaking).map(move |peer| (node, peer))
        };
        self.said.iter().flat_map(speaking)
    }

    /// The members that drop packets for this cause.
    fn dropping(&self, cause: DropCause) -> BTreeSet<String> {
        let drops = |details: &MemberDetails| details.dropping.iter().any(|one| one == cause.as_str());
        self.said.iter().filter(|(_, details)| drops(details)).map(|(node, _)| node.name.clone()).collect()
    }

    fn mixed_dialects(&self) -> Option<String> {
        let mut forms: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (node, details) in &self.said {
            if let Some(form) = details.checksum {
                forms.entry(form.as_str()).or_default().insert(node.name.clone());
            }
        }
        for (_, peer) in self.heard() {
            let is_witness = |name| self.said.iter().any(|(node, _)| node.name == name);
            let member = member_at(self.members, peer.source);
            if let Some(form) = peer.checksum.filter(|_| !member.is_some_and(is_witness)) {
                forms.entry(form.as_str()).or_default().insert(self.called(peer.source));
            }
        }
        let senders = forms.iter().map(|(form, who)| format!("{form} by {}", listed(who.clone())));
        let mixed = (forms.len() > 1).then(|| {
            format!("two forms of the checksum are sent, {}", senders.collect::<Vec<_>>().join(" and "))
        });
        let deaf = self.dropping(DropCause::Version);
        let other_version =
            (!deaf.is_empty()).then(|| format!("advertisements of another version reach {}", listed(deaf)));
        joined([mixed, other_version])
    }

    fn foreign_router(&self, group: &GroupFacts<'_>) -> Option<String> {
        // Whoever is not known may be the one that is heard.
        let all_known = self.members.iter().all(|member| match member {
            Observed::Node(node) => !node.addresses.is_empty(),
            Observed::External { .. } => true,
        });
        let foreign = |peer: &Peer| all_known && member_at(self.members, peer.source).is_none();
        let foreign = self.sentence(foreign, "speaks for the virtual router and is no member");
        let refused = self.dropping(DropCause::Peer);
        let refused = (group.transport == Transport::Unicast && !refused.is_empty())
            .then(|| format!("advertisements of a router that is no member reach {}", listed(refused)));
        joined([foreign, refused])
    }

    fn address_list_mismatch(&self) -> Option<String> {
        let other =
            self.sentence(|peer| peer.is_odd("address_list"), "advertises other addresses than the group's");
        let refused = self.dropping(DropCause::AddressList);
        let refused = (!refused.is_empty()).then(|| {
            format!("advertisements with a list of addresses that cannot be reach {}", listed(refused))
        });
        joined([other, refused])
    }

    fn interval_mismatch(&self) -> Option<String> {
        let other =
            self.sentence(|peer| peer.is_odd("interval"), "advertises at another interval than the group's");
        // Version 2 does not obey such a router (RFC 3768 §7.1).
        let refused = self.dropping(DropCause::Interval);
        let refused = (!refused.is_empty())
            .then(|| format!("advertisements with another interval are dropped by {}", listed(refused)));
        joined([other, refused])
    }

    fn authentication_mismatch(&self) -> Option<String> {
        let refused = self.dropping(DropCause::Authentication);
        (!refused.is_empty())
            .then(|| format!("advertisements with another authentication are dropped by {}", listed(refused)))
    }

    fn two_owners(&self) -> Option<String> {
        let owns = |peer: &Peer| matches!(peer.priority, Claim::Holds(priority) if priority.is_owner());
        let mut owners = BTreeSet::new();
        for (node, peer) in self.heard().filter(|(_, peer)| owns(peer)) {
            owners.insert(self.called(peer.source));
            if peer.is_odd("owners_addresses") {
                owners.insert(node.address.map_or_else(|| node.name.clone(), |address| self.called(address)));
            }
        }
        (owners.len() > 1).then(|| format!("{} claim to own the addresses (priority 255)", listed(owners)))
    }

    fn duplicate_source(&self) -> Option<String> {
        let odd = self.heard().filter(|(_, peer)| peer.is_odd("duplicate_source"));
        let shared: BTreeSet<_> =
            odd.map(|(node, peer)| format!("{}, which is {}'s", peer.source, node.name)).collect();
        (!shared.is_empty()).then(|| format!("another router sends from {}", listed(shared)))
    }

    /// Of whom this is true, and who hears it.
    fn sentence(&self, is_true: impl Fn(&Peer) -> bool, what: &str) -> Option<String> {
        let found: Vec<_> = self.heard().filter(|(_, peer)| is_true(peer)).collect();
        let (sources, hearers): (BTreeSet<_>, BTreeSet<_>) =
            found.iter().map(|(node, peer)| (self.called(peer.source), node.name.clone())).unzip();
        (!found.is_empty()).then(|| format!("{} {what}; heard by {}", listed(sources), listed(hearers)))
    }

    /// A router for people: its address, and its name if it has one.
    fn called(&self, source: IpAddr) -> String {
        member_at(self.members, source)
            .map_or_else(|| source.to_string(), |name| format!("{name} ({source})"))
    }
}

fn listed(items: BTreeSet<String>) -> String {
    let more = items.len().saturating_sub(NAMED);
    let mut named: Vec<_> = items.into_iter().take(NAMED).collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    let last = named.pop().unwrap_or_default();
    if named.is_empty() { last } else { format!("{} and {last}", named.join(", ")) }
}

fn joined(sentences: [Option<String>; 2]) -> Option<String> {
    let said: Vec<_> = sentences.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
}

#[cfg(test)]
mod tests;
