//! The rules of a segment, and which addresses can live on it.

use std::fmt;
use std::net::IpAddr;

use api_types::Name;
use api_types::problem::FieldProblem;
use ipnet::IpNet;

use super::conflict::Conflict;
use super::faults::{Faults, check_description};

/// The most prefixes of one segment.
pub const MAX_PREFIXES: usize = 16;

/// Every bad field of a segment, by the rules that need to know nothing else; what could not be read is `None`.
#[must_use]
pub fn faults_of(description: Option<&str>, prefixes: Option<&[Option<IpNet>]>) -> Vec<FieldProblem> {
    let mut faults = Faults::default();
    if let Some(description) = description {
        check_description(description, &mut faults);
    }
    let prefixes = prefixes.unwrap_or_default();
    for (position, prefix) in prefixes.iter().enumerate() {
        let Some(prefix) = prefix else { continue };
        let pointer = format!("/prefixes/{position}");
        if *prefix != prefix.trunc() {
            faults.add(
                &pointer,
                format_args!("{prefix} is not a network address: write it as {}", prefix.trunc()),
            );
        }
        if let Some(first) = prefixes[..position].iter().position(|earlier| *earlier == Some(*prefix)) {
            faults.add(
                &pointer,
                format_args!("{prefix} stands at /prefixes/{first} already: allowed is each prefix once"),
            );
        }
    }
    faults.into_fields()
}

/// Why an address cannot be one of a host of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// No prefix of the segment contains it.
    Outside,
    /// It is the network address of the prefix that contains it.
    NetworkAddress(IpNet),
    /// It is the broadcast address of the prefix that contains it.
    BroadcastAddress(IpNet),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("is outside its prefixes"),
            Self::NetworkAddress(prefix) => write!(f, "is the network address of its prefix {prefix}"),
            Self::BroadcastAddress(prefix) => write!(f, "is the broadcast address of its prefix {prefix}"),
        }
    }
}

/// Whether an address is one that every IPv6 link has, whatever prefixes are on it (RFC 4291 §2.5.6).
#[must_use]
pub const fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Whether `address` can be one of a host of a segment with these prefixes.
///
/// # Errors
/// [`Unfit`] says why not.
pub fn check_address(prefixes: &[IpNet], address: IpAddr) -> Result<(), Unfit> {
    if is_link_local(address) {
        return Ok(());
    }
    let narrowest = prefixes
        .iter()
        .filter(|prefix| prefix.contains(&address))
        .max_by_key(|prefix| prefix.prefix_len())
        .ok_or(Unfit::Outside)?;
    let IpNet::V4(net) = narrowest else { return Ok(()) };
    if net.prefix_len() < 31 && IpAddr::V4(net.network()) == address {
        return Err(Unfit::NetworkAddress(*narrowest));
    }
    if net.prefix_len() < 31 && IpAddr::V4(net.broadcast()) == address {
        return Err(Unfit::BroadcastAddress(*narrowest));
    }
    Ok(())
}

/// Whether the segment can have these prefixes, with the addresses that its groups have on it.
///
/// # Errors
/// [`Conflict::PrefixInUse`] names the addresses that could not stay, and their groups.
pub fn check_prefixes_cover(prefixes: &[IpNet], addresses: &[(IpAddr, Name)]) -> Result<(), Conflict> {
    let left_out: Vec<_> =
        addresses.iter().filter(|(address, _)| check_address(prefixes, *address).is_err()).cloned().collect();
    if left_out.is_empty() { Ok(()) } else { Err(Conflict::PrefixInUse { left_out }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("a prefix")).collect()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn faults(description: &str, prefixes: Vec<IpNet>) -> Vec<FieldProblem> {
        let prefixes: Vec<_> = prefixes.into_iter().map(Some).collect();
        faults_of(Some(description), Some(&prefixes))
    }

    fn pointers(faults: Vec<FieldProblem>) -> Vec<String> {
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn every_bad_field_of_a_segment_is_named() {
        let none: [&str; 0] = [];
        assert_eq!(pointers(faults("", prefixes(&["192.0.2.0/24", "2001:db8::/64"]))), none);
        assert_eq!(
            pointers(faults(&"x".repeat(501), prefixes(&["192.0.2.1/24", "10.0.0.0/8", "10.0.0.0/8"]))),
            ["/description", "/prefixes/0", "/prefixes/2"]
        );
    }

    #[test]
    fn what_could_not_be_read_breaks_no_rule_and_hides_none() {
        let bad = Some("192.0.2.1/24".parse().expect("a prefix"));
        assert_eq!(pointers(faults_of(None, Some(&[None, bad, None]))), ["/prefixes/1"]);
        assert_eq!(pointers(faults_of(Some("a\0b"), None)), ["/description"]);
    }

    #[test]
    fn a_prefix_with_host_bits_is_answered_with_the_wanted_spelling() {
        assert_eq!(
            faults("", prefixes(&["192.0.2.77/24"]))[0].detail,
            "192.0.2.77/24 is not a network address: write it as 192.0.2.0/24"
        );
    }

    #[test]
    fn an_address_fits_when_a_prefix_has_it_as_a_host() {
        let of = prefixes(&["192.0.2.0/24", "198.51.100.0/31", "2001:db8::/64"]);
        let cases = [
            ("192.0.2.1", Ok(())),
            ("192.0.2.254", Ok(())),
            ("192.0.2.0", Err(Unfit::NetworkAddress(of[0]))),
            ("192.0.2.255", Err(Unfit::BroadcastAddress(of[0]))),
            ("192.0.3.1", Err(Unfit::Outside)),
            ("198.51.100.0", Ok(())),
            ("198.51.100.1", Ok(())),
            ("198.51.100.2", Err(Unfit::Outside)),
            ("2001:db8::10", Ok(())),
            ("2001:db8:0:1::10", Err(Unfit::Outside)),
        ];
        for (text, wanted) in cases {
            assert_eq!(check_address(&of, address(text)), wanted, "{text}");
        }
    }

    #[test]
    fn prefixes_that_leave_out_an_address_name_it_and_its_group() {
        let web: Name = "web".parse().expect("a name");
        let held = [(address("192.0.2.10"), web.clone()), (address("192.0.2.200"), web.clone())];
        assert_eq!(check_prefixes_cover(&prefixes(&["192.0.2.0/24"]), &held), Ok(()));
        let conflict = check_prefixes_cover(&prefixes(&["192.0.2.0/25"]), &held).expect_err("200 is outside");
        assert_eq!(
            conflict.to_string(),
            "the prefixes leave out 192.0.2.200 of group web: change or delete it first"
        );
    }

    #[test]
    fn a_link_local_address_is_on_every_segment() {
        for prefix in ["2001:db8::/64", "192.0.2.0/24"] {
            assert_eq!(check_address(&prefixes(&[prefix]), address("fe80::10")), Ok(()));
        }
        assert_eq!(check_address(&prefixes(&["2001:db8::/64"]), address("fec0::10")), Err(Unfit::Outside));
    }
}
