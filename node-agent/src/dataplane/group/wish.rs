//! What a group wants to hold while it is Active.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use vrrp::Family;

use super::{Effects, Group, Want, Wish};
use crate::dataplane::address_lease::Lifetime;
use crate::dataplane::address_table::HostAddress;
use crate::dataplane::attachment::{Attachment, Route, Rule};
use crate::dataplane::instances;

/// The metric that the kernel gives an IPv6 route without one (`IP6_RT_PRIO_USER`). Said explicitly, so that a route looks
/// as it was asked for.
const DEFAULT_METRIC_IPV6: u32 = 1024;

impl Group {
    /// Wishes for the addresses and what goes with them. A group whose macvlan is still being made wishes once it is
    /// there.
    pub(super) fn wish(&self, effects: &mut Effects) {
        effects.wishes.extend(self.wanted().map(|wish| (self.handle, Want::Hold(wish))));
    }

    /// Wishes anew if something else is wanted than before.
    pub(super) fn follow_wanted(&self, before: Option<&Wish>, effects: &mut Effects) {
        let wanted = self.wanted();
        let is_said = matches!(
            (effects.wishes.last(), &wanted),
            (Some((handle, Want::Hold(said))), Some(wish)) if *handle == self.handle && said == wish
        );
        if self.wants_addresses() && wanted.as_ref() != before && !is_said {
            self.wish(effects);
        }
    }

    /// What it would hold; `None` while there is nothing to hold it on.
    pub(in super::super) fn wanted(&self) -> Option<Wish> {
        let footing = self.footing?;
        let holder = footing.holder?;
        let addresses: BTreeSet<IpAddr> =
            self.desired.virtual_addresses.iter().map(|address| address.address()).collect();
        let owner = self.desired.priority.is_owner();
        let link = (holder != footing.ifindex).then_some(holder);
        let mut attachments = self.attachments(footing.ifindex);
        if let Some(holder) = link
            && addresses.iter().any(is_link_local)
        {
            attachments.insert(Attachment::Route(link_local_route(holder)));
        }
        Some(Wish {
            addresses: addresses
                .into_iter()
                .map(|address| HostAddress { ifindex: holder, address })
                .collect(),
            owner,
            link,
            attachments,
            lifetime: Lifetime::Forever,
            shut: instances::is_shut(&self.desired),
            closed: self.entry_key().filter(|_| self.is_closed()),
        })
    }

    fn attachments(&self, ifindex: u32) -> BTreeSet<Attachment> {
        let family = self.desired.family;
        let options = &self.desired.options;
        let routes = options.virtual_routes.iter().map(|route| {
            Attachment::Route(Route {
                ifindex,
                destination: route.destination,
                gateway: route.gateway,
                metric: route.metric.or((family == Family::Ipv6).then_some(DEFAULT_METRIC_IPV6)),
                table: route.table.unwrap_or(Route::MAIN_TABLE),
            })
        });
        let rules = options.virtual_rules.iter().map(|rule| {
            let (from, to, table, preference) = (rule.from, rule.to, rule.table, rule.preference);
            Attachment::Rule(Rule { family, from, to, table, preference })
        });
        routes.chain(rules).collect()
    }
}

fn is_link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Answers from a link-local address leave through the interface that has it, which needs a way to the neighbours.
fn link_local_route(ifindex: u32) -> Route {
    let prefix = Ipv6Net::new_assert([0xfe80, 0, 0, 0, 0, 0, 0, 0].into(), 64);
    let metric = Some(DEFAULT_METRIC_IPV6);
    Route { ifindex, destination: IpNet::V6(prefix), gateway: None, metric, table: Route::MAIN_TABLE }
}
