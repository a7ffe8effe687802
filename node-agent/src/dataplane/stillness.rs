//! What has not been heard: for how long each virtual router has been silent on each interface, in use here
//! or not.
//!
//! Pure. A group that is new on a LAN can then tell at once what others find out by waiting. Only what could
//! have been heard counts: an interface knows something since it was listened to, and only once a frame has
//! come in, for a port that a switch does not forward to yet is as silent as an idle LAN.

use std::collections::BTreeMap;
use std::time::Duration;

use vrrp::{Family, Instant, Vrid};

use super::interfaces::{InterfaceState, Interfaces};

/// How many virtual routers are remembered: all of one LAN twice over.
const MOST: usize = 1_024;

/// The name of a virtual router on this node.
type RouterKey = (u32, Family, Vrid);

/// When the knowledge of an interface begins.
#[derive(Debug, Clone, Copy)]
struct Ground {
    since: Instant,
    /// How many frames had come in by then; `None` once another one has.
    frames: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Stillness {
    grounds: BTreeMap<(u32, Family), Ground>,
    heard: BTreeMap<RouterKey, Instant>,
    /// Who is not remembered may have been heard until then.
    forgotten_until: Instant,
}

impl Stillness {
    /// These are listened to now. Whatever has no carrier begins anew once it has one; `frames` tells how
    /// many frames an interface has received.
    pub(super) fn follow(
        &mut self,
        listened_to: impl Iterator<Item = (u32, Family)>,
        interfaces: &Interfaces,
        frames: impl Fn(&str) -> Option<u64>,
        now: Instant,
    ) {
        let mut before = std::mem::take(&mut self.grounds);
        for key in listened_to {
            let Some(state) = has_carrier(interfaces, key.0) else { continue };
            let begins = || Some(Ground { since: now, frames: Some(frames(&state.name)?) });
            if let Some(ground) = before.remove(&key).or_else(begins) {
                self.grounds.insert(key, ground);
            }
        }
    }

    /// A packet named this virtual router, be it a good one or not.
    pub(super) fn note(&mut self, router: RouterKey, now: Instant) {
        let is_new = self.heard.insert(router, now).is_none();
        if is_new && self.heard.len() > MOST {
            let oldest = self.heard.iter().min_by_key(|(_, at)| **at).map(|(router, at)| (*router, *at));
            if let Some((router, at)) = oldest {
                self.heard.remove(&router);
                self.forgotten_until = self.forgotten_until.max(at);
            }
        }
    }

    /// Looks whether an interface has received a frame since it began to know something, if that is not known
    /// yet; `frames` tells how many it has received by now.
    pub(super) fn learn(&mut self, listened_to: (u32, Family), frames: impl FnOnce() -> Option<u64>) {
        let Some(ground) = self.grounds.get_mut(&listened_to) else { return };
        if let Some(before) = ground.frames
            && frames().is_some_and(|frames| before < frames)
        {
            ground.frames = None;
        }
    }

    /// Whatever has no carrier now knows nothing any more, be it back before [`follow`](Self::follow) is
    /// called.
    pub(super) fn follow_losses(&mut self, interfaces: &Interfaces) {
        self.grounds.retain(|(ifindex, _), _| has_carrier(interfaces, *ifindex).is_some());
    }

    /// Whether the virtual router is known to have been silent for so long.
    pub(super) fn is_still(&self, router: RouterKey, lasting: Duration, now: Instant) -> bool {
        let (ifindex, family, _) = router;
        let Some(ground) = self.grounds.get(&(ifindex, family)) else { return false };
        let heard = self.heard.get(&router).copied().unwrap_or(self.forgotten_until);
        ground.frames.is_none() && ground.since.max(heard) + lasting <= now
    }
}

fn has_carrier(interfaces: &Interfaces, ifindex: u32) -> Option<&InterfaceState> {
    interfaces.get(ifindex).filter(|state| state.up && state.carrier)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTING: Duration = Duration::from_millis(300);
    const LAN: (u32, Family) = (3, Family::Ipv4);

    fn at(milliseconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(1_000) + Duration::from_millis(milliseconds))
    }

    fn router(vrid: u8) -> RouterKey {
        (3, Family::Ipv4, Vrid::new(vrid).unwrap())
    }

    fn interfaces(carrier: bool) -> Interfaces {
        let mut interfaces = Interfaces::default();
        let mac = Some([2, 0, 0, 0, 0, 1]);
        let name = "eth0".to_owned();
        let state =
            InterfaceState { name, mac, mtu: 1_500, up: true, carrier, loopback: false, macvlan: None };
        interfaces.set(3, state);
        interfaces
    }

    /// Listens since `at(0)`, when seven frames had come in.
    fn listening() -> Stillness {
        let mut stillness = Stillness::default();
        stillness.follow([LAN].into_iter(), &interfaces(true), |_| Some(7), at(0));
        stillness
    }

    /// The same, and another frame has come in.
    fn alive() -> Stillness {
        let mut stillness = listening();
        stillness.learn(LAN, || Some(8));
        stillness
    }

    #[test]
    fn silence_counts_from_when_it_could_be_heard_and_once_a_frame_has_come_in() {
        let mut stillness = listening();
        assert!(!stillness.is_still(router(51), LASTING, at(300)), "nobody has looked for frames");
        stillness.learn(LAN, || Some(7));
        assert!(!stillness.is_still(router(51), LASTING, at(300)), "nothing has ever come in");
        stillness.learn(LAN, || None);
        stillness.learn((4, Family::Ipv4), || Some(8));
        assert!(!stillness.is_still(router(51), LASTING, at(300)), "nobody knows, and elsewhere is not here");
        stillness.learn(LAN, || Some(8));
        assert!(!stillness.is_still(router(51), LASTING, at(299)));
        assert!(stillness.is_still(router(51), LASTING, at(300)));
        let other_family = (3, Family::Ipv6, Vrid::new(51).unwrap());
        assert!(!stillness.is_still(other_family, LASTING, at(300)));
        stillness.follow([LAN].into_iter(), &interfaces(true), |_| Some(9), at(200));
        stillness.learn(LAN, || unreachable!("it is known"));
        assert!(stillness.is_still(router(51), LASTING, at(300)), "it goes on");
    }

    #[test]
    fn whoever_was_heard_is_still_once_the_silence_has_lasted_and_no_other_is_taken_for_it() {
        let mut stillness = alive();
        stillness.note(router(51), at(400));
        assert!(!stillness.is_still(router(51), LASTING, at(699)));
        assert!(stillness.is_still(router(52), LASTING, at(699)));
        assert!(stillness.is_still(router(51), LASTING, at(700)));
    }

    #[test]
    fn a_carrier_that_was_gone_takes_all_knowledge_along() {
        let mut stillness = alive();
        stillness.follow([LAN].into_iter(), &interfaces(false), |_| Some(9), at(400));
        assert!(!stillness.is_still(router(51), LASTING, at(900)));
        stillness.follow([LAN].into_iter(), &interfaces(true), |_| Some(9), at(1_000));
        stillness.learn(LAN, || Some(9));
        assert!(!stillness.is_still(router(51), LASTING, at(1_300)), "no frame since");
        stillness.learn(LAN, || Some(10));
        assert!(stillness.is_still(router(51), LASTING, at(1_300)));
        stillness.follow(std::iter::empty(), &interfaces(true), |_| Some(9), at(1_400));
        assert!(!stillness.is_still(router(51), LASTING, at(1_500)), "it is not listened to any more");
    }

    #[test]
    fn a_carrier_that_was_back_before_anybody_looked_takes_it_along_too() {
        let mut stillness = alive();
        stillness.follow_losses(&interfaces(true));
        assert!(stillness.is_still(router(51), LASTING, at(400)));
        stillness.follow_losses(&interfaces(false));
        stillness.follow([LAN].into_iter(), &interfaces(true), |_| Some(9), at(400));
        stillness.learn(LAN, || Some(10));
        assert!(!stillness.is_still(router(51), LASTING, at(699)));
        assert!(stillness.is_still(router(51), LASTING, at(700)));
    }

    #[test]
    fn who_had_to_be_forgotten_counts_as_heard_when_it_was() {
        let mut stillness = alive();
        let flood = (0..=u32::from(u8::MAX) * 5).map(|number| {
            (number / 255 + 10, Family::Ipv4, Vrid::new(u8::try_from(number % 255 + 1).unwrap()).unwrap())
        });
        stillness.note(router(51), at(400));
        flood.take(MOST).for_each(|router| stillness.note(router, at(500)));
        assert_eq!(stillness.heard.len(), MOST);
        assert!(!stillness.heard.contains_key(&router(51)), "the oldest goes first");
        assert!(!stillness.is_still(router(51), LASTING, at(699)));
        assert!(stillness.is_still(router(51), LASTING, at(700)));
    }
}
