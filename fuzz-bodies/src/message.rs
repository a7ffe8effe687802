//! [`vrrp::packet::decode`] and [`vrrp::packet::peek`].

use std::net::IpAddr;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use vrrp::packet::{self, Outgoing};
use vrrp::{
    Advertisement, ChecksumForm, Claim, Config, Demands, Envelope, Family, PacketError, Priority, Settings,
    Version,
};

use crate::{envelope, written};

/// Any message in any envelope, under any demands: refused under a known cause, or believed and then exactly
/// what its octets say.
///
/// # Panics
/// When a promise is broken.
pub fn vrrp_message(data: &[u8]) {
    // What is too short to say all this is no case.
    let _enough = read(&mut Unstructured::new(data));
}

fn read(input: &mut Unstructured<'_>) -> Result<()> {
    let family = envelope::family(input)?;
    let demands = envelope::demands(input)?;
    let around = envelope::envelope(input, family)?;
    let sealing = envelope::sealing(input)?;
    let mut message = std::mem::replace(input, Unstructured::new(&[])).take_rest().to_vec();
    if let Some(form) = sealing {
        written::seal(&mut message, form, around.source, around.destination);
    }
    let outcome = packet::decode(&message, &around, demands);
    assert_eq!(outcome, packet::decode(&message, &around, demands), "the same octets mean the same");
    match outcome {
        Ok(said) => believed(&said, &message, &around, demands),
        Err(error) => refused(&error, &message, &around, demands),
    }
    Ok(())
}

/// Panics unless the advertisement is what the octets say, and the octets may be believed.
pub(crate) fn believed(said: &Advertisement, message: &[u8], around: &Envelope, demands: Demands) {
    assert_eq!(packet::peek(message), Some((said.version.number(), said.vrid)));
    assert_eq!(written::message(said), written::without_ignored(message), "{said:?}");
    assert_eq!((said.source, said.family), (around.source, Family::of(around.source)));
    assert!(around.hop_limit >= demands.least_hop_limit);
    assert!(!around.source.is_unspecified() && !around.source.is_multicast() && !around.source.is_loopback());
    if demands.multicast {
        assert_eq!(around.destination, said.family.multicast_group());
    }
    if let (Some(IpAddr::V6(first)), true) = (said.addresses.first(), demands.link_local_first) {
        assert!(first.is_unicast_link_local());
    }
    let form = form(said, message, around);
    assert_eq!(said.checksum, form);
    rewritten(said, message, around.destination, form.unwrap_or(ChecksumForm::Rfc5798));
}

/// The form of the checksum that the message shows, if it must have chosen one.
fn form(said: &Advertisement, message: &[u8], around: &Envelope) -> Option<ChecksumForm> {
    let (plain, mut covered) = written::right_forms(message, around.source, around.destination);
    match (said.version, said.family) {
        (Version::V2, _) => {
            assert!(plain);
            None
        }
        (Version::V3, Family::Ipv6) => {
            assert!(covered);
            None
        }
        (Version::V3, Family::Ipv4) => {
            covered |= written::right_forms(message, around.source, Family::Ipv4.multicast_group()).1;
            assert!(plain || covered);
            let form = if plain { ChecksumForm::Rfc9568 } else { ChecksumForm::Rfc5798 };
            (plain != covered).then_some(form)
        }
    }
}

/// Where these can be the settings of a router of ours, it would send these very octets.
fn rewritten(said: &Advertisement, message: &[u8], destination: IpAddr, checksum: ChecksumForm) {
    let Advertisement { version, family, vrid, claim, interval, authentication, .. } = *said;
    let priority = match claim {
        Claim::Holds(priority) => priority,
        Claim::Resigns => Priority::MIN,
    };
    let settings = Settings {
        version,
        family,
        vrid,
        priority,
        interval,
        preempt: true,
        preempt_delay: Duration::ZERO,
        refresh: None,
        require_link_local: false,
        authentication,
        addresses: said.addresses.clone(),
        source: said.source,
    };
    let Ok(config) = Config::new(settings) else { return };
    if config.advertised() != said.addresses {
        return;
    }
    let outgoing = Outgoing { config: &config, claim, interval, destination, checksum };
    let ours = packet::encode(&outgoing);
    assert_eq!(written::without_ignored(&ours), written::without_ignored(message));
    let around = Envelope { source: said.source, destination, hop_limit: packet::HOP_LIMIT };
    let demands = Demands { least_hop_limit: 255, link_local_first: false, multicast: false };
    let read_back = packet::decode(&ours, &around, demands).expect("what we write we believe");
    assert_eq!(
        Advertisement { checksum: None, ..read_back },
        Advertisement { checksum: None, ..said.clone() }
    );
}

fn refused(error: &PacketError, message: &[u8], around: &Envelope, demands: Demands) {
    assert!(!error.to_string().is_empty());
    match error {
        PacketError::HopLimit { .. } => assert!(around.hop_limit < demands.least_hop_limit),
        PacketError::Destination(_) => assert!(demands.multicast),
        PacketError::NoHeader(length) => assert!(*length == message.len() && message.len() < 8),
        PacketError::Vrid => assert_eq!(message[1], 0),
        PacketError::NoAddress => assert_eq!(message[3], 0),
        PacketError::Type(kind) => assert_ne!(*kind, 1),
        PacketError::Version(version) => assert!(![2, 3].contains(version)),
        PacketError::Length { expected, actual, .. } => assert_ne!(expected, actual),
        PacketError::Checksum(_) => {
            let (plain, _) = written::right_forms(message, around.source, around.destination);
            assert!(!plain || Family::of(around.source) == Family::Ipv6);
        }
        PacketError::MixedFamilies(..)
        | PacketError::Source(_)
        | PacketError::Version2OverIpv6
        | PacketError::AuthenticationType(_)
        | PacketError::Interval
        | PacketError::FirstAddressNotLinkLocal(_) => {}
    }
}
