//! Whether the gap in a failover record is the one that the capture shows.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::Moment;
use e2e::capture::Capture;

/// The record and the capture may differ by so much, and no more. An agent takes its times when it is given
/// the processor, the kernel takes the capture's when a frame arrives. One interval more or less would be 100
/// ms.
const TOLERANCE: Duration = Duration::from_millis(50);

/// From the last advert of `holder` to the first announcement of `address` after `died`: what a record
/// counts.
///
/// # Errors
/// When the capture lacks one of the two.
pub(crate) fn on_the_wire(
    capture: &Capture,
    (vrid, address): (u8, Ipv4Addr),
    holder: Ipv4Addr,
    died: Moment,
) -> Result<Duration> {
    let announced = capture.announcements(address, died);
    let (announced, _) = announced.first().context("nobody announced itself")?;
    let adverts = capture.adverts_from(vrid, holder, Moment::from_parts(0, 0));
    let last = adverts.iter().rev().find(|(at, _)| at < announced);
    let (last_advert, _) = last.with_context(|| format!("{holder} was not heard"))?;
    Ok(*announced - *last_advert)
}

/// Fails when the record and the capture disagree.
pub(crate) fn compare(recorded_ms: f64, on_the_wire: Duration) -> Result<()> {
    let captured_ms = on_the_wire.as_secs_f64() * 1_000.0;
    ensure!(
        (recorded_ms - captured_ms).abs() <= TOLERANCE.as_secs_f64() * 1_000.0,
        "the failover record has a gap of {recorded_ms:.1} ms, the capture shows {captured_ms:.1} ms: they \
         are more than {TOLERANCE:?} apart"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_disagrees_with_the_capture_is_not_believed() {
        let captured = Duration::from_millis(314);
        for recorded_ms in [264.0, 314.0, 364.0] {
            assert!(compare(recorded_ms, captured).is_ok(), "{recorded_ms} ms");
        }
        for recorded_ms in [0.0, 214.0, 263.9, 364.1, 414.0, f64::NAN] {
            assert!(compare(recorded_ms, captured).is_err(), "{recorded_ms} ms");
        }
    }
}
