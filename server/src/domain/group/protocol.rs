//! The rules of how the members of a group speak, and of what moves with its addresses.

use api_types::protocol::{MacMode, Transport, VirtualRoute, VirtualRule};
use ipnet::IpNet;
use vrrp::{Family, Version};

use super::{GroupDraft, check_family};
use crate::domain::faults::Faults;
use crate::domain::segment::is_link_local;

/// The lowest preference of a policy rule that the kernel looks at only after the main table (`ip-rule(8)`).
const MAIN_TABLE_PREFERENCE: u32 = 32_766;

pub(super) fn check(draft: &GroupDraft, faults: &mut Faults) {
    check_version(draft, faults);
    check_mac_mode(draft, faults);
    check_transport(draft, faults);
    check_link_local(draft, faults);
    check_routes(draft, faults);
    check_rules(draft, faults);
}

fn check_version(draft: &GroupDraft, faults: &mut Faults) {
    if (draft.version, draft.family) == (Some(Version::V2), Some(Family::Ipv6)) {
        faults.add("/version", "version 2 knows no IPv6: allowed is 3, or the family \"ipv4\"");
    }
    if let (Some(interval), Some(version)) = (draft.advertisement_interval_ms, draft.version)
        && let Err(error) = interval.checked_for(version)
    {
        faults.add("/advertisement_interval_ms", error);
    }
    if draft.version == Some(Version::V3) && matches!(draft.authentication, Some(Some(_))) {
        faults.add("/authentication", "version 3 knows no authentication: allowed is null, or version 2");
    }
}

fn check_mac_mode(draft: &GroupDraft, faults: &mut Faults) {
    if draft.mac_mode == Some(MacMode::Virtual) && draft.members().any(|(_, member)| member.is_owner()) {
        faults.add(
            "/mac_mode",
            "the addresses of an owner (priority 255) are its interface's own and answer with its MAC address: allowed \
             with an owner is \"interface\"",
        );
    }
}

fn check_transport(draft: &GroupDraft, faults: &mut Faults) {
    match draft.transport {
        Some(Transport::Unicast) if draft.members.as_ref().is_some_and(|members| members.len() == 1) => {
            faults.add(
                "/members",
                "unicast is sent to the other members, and there is none: allowed are 2 to 32",
            );
        }
        Some(Transport::Multicast) if draft.max_hops.is_some_and(|hops| hops.get() > 0) => {
            faults.add(
                "/max_hops",
                "no router passes multicast on: allowed is 0, or the transport \"unicast\"",
            );
        }
        Some(Transport::Multicast | Transport::Unicast) | None => {}
    }
}

/// RFC 9568 §5.2.9 and erratum 8300 for the addresses; §5.1.2.1 for the source of what is multicast.
fn check_link_local(draft: &GroupDraft, faults: &mut Faults) {
    if draft.family != Some(Family::Ipv6) {
        return;
    }
    let first =
        draft.virtual_addresses.iter().flatten().next().copied().flatten().map(|first| first.address());
    if draft.require_link_local == Some(true)
        && let Some(first) = first.filter(|first| !first.is_ipv4() && !is_link_local(*first))
    {
        faults.add(
            "/virtual_addresses/0",
            format_args!(
                "{first} is not link-local: allowed first is an address of fe80::/10, or require_link_local false"
            ),
        );
    }
    if draft.transport != Some(Transport::Multicast) {
        return;
    }
    for (position, address) in draft.external_addresses() {
        if !address.is_ipv4() && !is_link_local(address) {
            faults.add(
                format!("/members/{position}/address"),
                format_args!(
                    "{address} is not link-local: allowed is where its IPv6 advertisements come from"
                ),
            );
        }
    }
}

fn check_routes(draft: &GroupDraft, faults: &mut Faults) {
    let mut seen: Vec<(usize, &VirtualRoute)> = Vec::new();
    for (position, route) in numbered(draft.virtual_routes.as_deref()) {
        let pointer = format!("/virtual_routes/{position}");
        check_prefix(&format!("{pointer}/destination"), route.destination, draft.family, faults);
        if let Some(gateway) = route.gateway {
            let pointer = format!("{pointer}/gateway");
            check_family(&pointer, gateway, draft.family, faults);
            if gateway.is_unspecified() || gateway.is_loopback() || gateway.is_multicast() {
                faults.add(
                    &pointer,
                    format_args!("{gateway} is not the address of a router: allowed is a next hop"),
                );
            }
        }
        check_table(&pointer, route.table, faults);
        // What the kernel tells routes apart by.
        let key = |route: &VirtualRoute| (route.destination, route.metric, route.table);
        match seen.iter().find(|(_, earlier)| key(earlier) == key(route)) {
            Some((first, _)) => faults.add(
                &pointer,
                format_args!(
                    "its destination, metric and table are those of /virtual_routes/{first}: allowed is each route once"
                ),
            ),
            None => seen.push((position, route)),
        }
    }
}

fn check_rules(draft: &GroupDraft, faults: &mut Faults) {
    let mut seen: Vec<(usize, &VirtualRule)> = Vec::new();
    for (position, rule) in numbered(draft.virtual_rules.as_deref()) {
        let pointer = format!("/virtual_rules/{position}");
        for (field, prefix) in [("from", rule.from), ("to", rule.to)] {
            if let Some(prefix) = prefix {
                check_prefix(&format!("{pointer}/{field}"), prefix, draft.family, faults);
            }
        }
        check_table(&pointer, Some(rule.table), faults);
        if !(1..MAIN_TABLE_PREFERENCE).contains(&rule.preference) {
            faults.add(
                format!("{pointer}/preference"),
                format_args!("{} is not allowed: 1 to {} are", rule.preference, MAIN_TABLE_PREFERENCE - 1),
            );
        }
        match seen.iter().find(|(_, earlier)| *earlier == rule) {
            Some((first, _)) => faults.add(
                &pointer,
                format_args!("it stands at /virtual_rules/{first} already: allowed is each rule once"),
            ),
            None => seen.push((position, rule)),
        }
    }
}

fn check_prefix(pointer: &str, prefix: IpNet, family: Option<Family>, faults: &mut Faults) {
    check_family(pointer, prefix.addr(), family, faults);
    if prefix != prefix.trunc() {
        faults
            .add(pointer, format_args!("{prefix} is not a network address: write it as {}", prefix.trunc()));
    }
}

fn check_table(pointer: &str, table: Option<u32>, faults: &mut Faults) {
    if table == Some(0) {
        faults.add(format!("{pointer}/table"), "0 is no routing table: allowed are 1 to 4294967295");
    }
}

fn numbered<T>(list: Option<&[Option<T>]>) -> impl Iterator<Item = (usize, &T)> {
    let list = list.unwrap_or_default().iter().enumerate();
    list.filter_map(|(position, item)| Some((position, item.as_ref()?)))
}
