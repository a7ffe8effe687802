//! One record of the journal as octets.
//!
//! | octets | what |
//! |---|---|
//! | 4 | length of what follows the checksum, little endian |
//! | 4 | CRC-32C over the length and what follows the checksum, little endian |
//! | 1 | kind: 1 a transition, 2 an acknowledgement |
//! | 16 | boot id |
//! | 8 | sequence, little endian |
//! | … | a transition as JSON; nothing for an acknowledgement |

use api_types::channel::Acknowledged;
use api_types::transition::TransitionRecord;
use uuid::Uuid;

/// Length and checksum.
const PREFIX: usize = 8;
/// Kind, boot id and sequence.
const FIXED: usize = 25;
/// No transition comes near; a longer length is damage.
const MAX_BODY: usize = 64 * 1024;

const TRANSITION: u8 = 1;
const ACKNOWLEDGED: u8 = 2;

/// What a record says, the transition still as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A member changed its state.
    Transition { boot_id: Uuid, sequence: u64, json: &'a [u8] },
    /// The server has committed everything up to here.
    Acknowledged(Acknowledged),
}

/// The octets of a transition; `None` if it is too long to be a record.
pub(super) fn encode_transition(transition: &TransitionRecord) -> Option<Vec<u8>> {
    let json = serde_json::to_vec(transition).ok()?;
    encode(TRANSITION, transition.boot_id, transition.sequence, &json)
}

/// The octets of an acknowledgement.
pub(super) fn encode_acknowledged(acknowledged: Acknowledged) -> Vec<u8> {
    encode(ACKNOWLEDGED, acknowledged.boot_id, acknowledged.sequence, &[]).unwrap_or_default()
}

fn encode(kind: u8, boot_id: Uuid, sequence: u64, payload: &[u8]) -> Option<Vec<u8>> {
    let length = FIXED + payload.len();
    if length > MAX_BODY {
        return None;
    }
    let mut octets = Vec::with_capacity(PREFIX + length);
    octets.extend(u32::try_from(length).ok()?.to_le_bytes());
    octets.extend([0; 4]);
    octets.push(kind);
    octets.extend(boot_id.as_bytes());
    octets.extend(sequence.to_le_bytes());
    octets.extend(payload);
    let (length, body) = (&octets[..4], &octets[PREFIX..]);
    let checksum = crc32c::crc32c_append(crc32c::crc32c(length), body);
    octets[4..PREFIX].copy_from_slice(&checksum.to_le_bytes());
    Some(octets)
}

/// The first record of `octets` and how long it is; `None` when there is no whole and undamaged one.
pub(super) fn decode(octets: &[u8]) -> Option<(Record<'_>, usize)> {
    let (length_octets, rest) = octets.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length_octets)).ok()?;
    if length > MAX_BODY {
        return None;
    }
    let body = rest.get(..length)?;
    if crc32c::crc32c_append(crc32c::crc32c(length_octets), body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (&kind, rest) = body.split_first()?;
    let (boot_id, rest) = rest.split_first_chunk::<16>()?;
    let (sequence, json) = rest.split_first_chunk::<8>()?;
    let (boot_id, sequence) = (Uuid::from_bytes(*boot_id), u64::from_le_bytes(*sequence));
    let record = match kind {
        TRANSITION => Record::Transition { boot_id, sequence, json },
        ACKNOWLEDGED if json.is_empty() => Record::Acknowledged(Acknowledged { boot_id, sequence }),
        _ => return None,
    };
    Some((record, PREFIX + length))
}

#[cfg(test)]
mod tests {
    use super::super::test_data::transition;
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded() {
        let wanted = transition(Uuid::new_v4(), 7);
        let octets = encode_transition(&wanted).unwrap();
        let (record, length) = decode(&octets).unwrap();
        assert_eq!(length, octets.len());
        let Record::Transition { boot_id, sequence, json } = record else { panic!("{record:?}") };
        assert_eq!((boot_id, sequence), (wanted.boot_id, 7));
        assert_eq!(serde_json::from_slice::<TransitionRecord>(json).unwrap(), wanted);

        let acknowledged = Acknowledged { boot_id, sequence: u64::MAX };
        let octets = encode_acknowledged(acknowledged);
        assert_eq!(decode(&octets), Some((Record::Acknowledged(acknowledged), octets.len())));
    }

    #[test]
    fn a_record_with_any_bit_flipped_is_refused() {
        let octets = encode_transition(&transition(Uuid::new_v4(), 1)).unwrap();
        for position in 0..octets.len() * 8 {
            let mut damaged = octets.clone();
            damaged[position / 8] ^= 1 << (position % 8);
            assert_eq!(decode(&damaged), None, "bit {position}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_decoding_panic(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = decode(&octets);
        }
    }
}
