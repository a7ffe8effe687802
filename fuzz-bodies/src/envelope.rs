//! What an IP header may say, from arbitrary octets, close to what is believed often enough to get past it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::{Result, Unstructured};
use vrrp::{ChecksumForm, Demands, Envelope, Family};

/// A family.
pub(crate) fn family(input: &mut Unstructured<'_>) -> Result<Family> {
    Ok(if input.arbitrary()? { Family::Ipv6 } else { Family::Ipv4 })
}

/// What a group may demand.
pub(crate) fn demands(input: &mut Unstructured<'_>) -> Result<Demands> {
    let least_hop_limit = if input.arbitrary()? { 255 } else { input.arbitrary()? };
    Ok(Demands { least_hop_limit, link_local_first: input.arbitrary()?, multicast: input.arbitrary()? })
}

/// An envelope, of one family or of two.
pub(crate) fn envelope(input: &mut Unstructured<'_>, family: Family) -> Result<Envelope> {
    let source = match input.int_in_range(0..=3)? {
        0 => address(input, other(family))?,
        1 => address(input, family)?,
        _ => router(input, family)?,
    };
    let destination = match input.int_in_range(0..=3)? {
        0 => address(input, other(family))?,
        1 => address(input, family)?,
        _ => family.multicast_group(),
    };
    let hop_limit = if input.arbitrary()? { 255 } else { input.arbitrary()? };
    Ok(Envelope { source, destination, hop_limit })
}

/// An address that a router may advertise from.
pub(crate) fn router(input: &mut Unstructured<'_>, family: Family) -> Result<IpAddr> {
    let last: u8 = input.arbitrary()?;
    Ok(match family {
        Family::Ipv4 => Ipv4Addr::new(192, 0, 2, last).into(),
        Family::Ipv6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last)).into(),
    })
}

/// Which form of the checksum to put right; none, to leave it as it came.
pub(crate) fn sealing(input: &mut Unstructured<'_>) -> Result<Option<ChecksumForm>> {
    let forms = [None, Some(ChecksumForm::Rfc9568), Some(ChecksumForm::Rfc5798)];
    input.choose(&forms).copied()
}

fn address(input: &mut Unstructured<'_>, family: Family) -> Result<IpAddr> {
    Ok(match family {
        Family::Ipv4 => Ipv4Addr::from(input.arbitrary::<u32>()?).into(),
        Family::Ipv6 => Ipv6Addr::from(input.arbitrary::<u128>()?).into(),
    })
}

const fn other(family: Family) -> Family {
    match family {
        Family::Ipv4 => Family::Ipv6,
        Family::Ipv6 => Family::Ipv4,
    }
}
