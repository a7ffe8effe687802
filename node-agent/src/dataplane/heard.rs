//! The routers that a group has heard, and what their checksums say about the form to send.
//!
//! Pure. Version 3 over IPv4 has two forms of the checksum in the field. Whoever knows only the older one drops the newer,
//! and the other way round; this agent accepts both and must choose one to send.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use vrrp::{Advertisement, ChecksumForm, Claim, Config, Discrepancy, Instant};

/// How many routers are remembered that are no members. Members always are, or strangers could decide, by pushing them
/// out, which form is sent.
const MAX_STRANGERS: usize = 16;

/// A router as it last spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Router {
    /// What it claimed.
    pub(super) claim: Claim,
    /// The form of its checksum, once that told.
    pub(super) checksum: Option<ChecksumForm>,
    /// When.
    pub(super) at: Instant,
    /// What was odd about it.
    pub(super) discrepancies: Vec<Discrepancy>,
    last: Advertisement,
}

impl Router {
    /// The advertisement that it sent last.
    pub(super) const fn last(&self) -> &Advertisement {
        &self.last
    }
}

/// The routers by their addresses.
#[derive(Debug, Default)]
pub(super) struct Heard {
    routers: BTreeMap<IpAddr, Router>,
    /// What form they spoke before the worker started.
    spoke: BTreeMap<IpAddr, ChecksumForm>,
}

impl Heard {
    /// Remembers what a router said, and tells what is odd about it. Of those that are none of `members` the one that
    /// was silent for longest makes room.
    pub(super) fn remember(
        &mut self,
        advertisement: &Advertisement,
        config: &Config,
        members: &[IpAddr],
        now: Instant,
    ) -> &[Discrepancy] {
        let Advertisement { source, claim, checksum, .. } = *advertisement;
        if !self.routers.contains_key(&source) {
            self.make_room(usize::from(!members.contains(&source)), members);
        }
        let judge = || config.discrepancies(advertisement);
        match self.routers.entry(source) {
            Entry::Vacant(room) => {
                let (last, discrepancies) = (advertisement.clone(), judge());
                &room.insert(Router { claim, checksum, at: now, discrepancies, last }).discrepancies
            }
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.at = now;
                if known.last != *advertisement {
                    known.claim = claim;
                    known.checksum = checksum.or(known.checksum);
                    known.discrepancies = judge();
                    known.last = advertisement.clone();
                }
                &known.discrepancies
            }
        }
    }

    /// Makes room for `more` strangers.
    fn make_room(&mut self, more: usize, members: &[IpAddr]) {
        let is_stranger = |(source, _): &(&IpAddr, &Router)| !members.contains(source);
        while self.routers.iter().filter(is_stranger).count() + more > MAX_STRANGERS
            && let Some((oldest, _)) =
                self.routers.iter().filter(is_stranger).min_by_key(|(_, router)| router.at)
        {
            let oldest = *oldest;
            self.routers.remove(&oldest);
        }
    }

    /// Takes over what an earlier life has heard.
    pub(super) fn recall(&mut self, spoke: BTreeMap<IpAddr, ChecksumForm>) {
        self.spoke = spoke;
    }

    /// Judges anew by changed settings.
    pub(super) fn judge_by(&mut self, config: &Config) {
        for router in self.routers.values_mut() {
            router.discrepancies = config.discrepancies(&router.last);
        }
    }

    /// The form to send where the choice is ours: the older one, which everybody in the field understands, until every
    /// one of `members` that was heard speaks the newer one.
    pub(super) fn common_form(&self, members: &[IpAddr]) -> ChecksumForm {
        let form = |member| {
            let now = self.routers.get(member).and_then(|router| router.checksum);
            now.or_else(|| self.spoke.get(member).copied())
        };
        let mut forms = members.iter().filter_map(form).peekable();
        let all_are_new = forms.peek().is_some() && forms.all(|form| form == ChecksumForm::Rfc9568);
        if all_are_new { ChecksumForm::Rfc9568 } else { ChecksumForm::Rfc5798 }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (IpAddr, &Router)> {
        self.routers.iter().map(|(source, router)| (*source, router))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dataplane::test_data::desired;
    use crate::dataplane::translate;

    fn config() -> Config {
        translate::config(&desired(240), "192.0.2.1".parse().unwrap()).unwrap()
    }

    fn says(last: u8, checksum: Option<ChecksumForm>) -> Advertisement {
        let config = config();
        Advertisement {
            version: config.version(),
            family: config.family(),
            vrid: config.vrid(),
            claim: Claim::Resigns,
            interval: config.interval(),
            authentication: config.authentication(),
            addresses: config.advertised().to_vec(),
            source: IpAddr::from([192, 0, 2, last]),
            checksum,
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn the_newer_form_is_sent_once_every_member_that_was_heard_speaks_it() {
        let members = [2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        let mut heard = Heard::default();
        let mut after = |last, checksum| {
            heard.remember(&says(last, checksum), &config(), &members, at(u64::from(last)));
            heard.common_form(&members)
        };
        assert_eq!(after(9, Some(ChecksumForm::Rfc9568)), ChecksumForm::Rfc5798, "no member of ours");
        assert_eq!(after(2, None), ChecksumForm::Rfc5798, "it did not tell");
        assert_eq!(after(2, Some(ChecksumForm::Rfc9568)), ChecksumForm::Rfc9568);
        assert_eq!(after(2, None), ChecksumForm::Rfc9568, "what it told before holds");
        assert_eq!(after(3, Some(ChecksumForm::Rfc5798)), ChecksumForm::Rfc5798, "one would not understand");
    }

    #[test]
    fn what_an_earlier_life_has_heard_counts_until_something_else_is_heard() {
        let members = [2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        let mut heard = Heard::default();
        heard.recall(members.map(|member| (member, ChecksumForm::Rfc9568)).into());
        assert_eq!(heard.common_form(&members), ChecksumForm::Rfc9568);
        heard.remember(&says(2, None), &config(), &members, at(1));
        assert_eq!(heard.common_form(&members), ChecksumForm::Rfc9568, "it did not tell");
        heard.remember(&says(2, Some(ChecksumForm::Rfc5798)), &config(), &members, at(2));
        assert_eq!(heard.common_form(&members), ChecksumForm::Rfc5798);
    }

    #[test]
    fn the_stranger_that_was_silent_for_longest_makes_room() {
        let mut heard = Heard::default();
        for last in 1..=20_u8 {
            heard.remember(&says(last, None), &config(), &[], at(u64::from(last)));
        }
        let sources: Vec<_> = heard.iter().map(|(source, _)| source).collect();
        assert_eq!((sources.len(), sources[0]), (MAX_STRANGERS, IpAddr::from([192, 0, 2, 5])));
    }

    #[test]
    fn no_number_of_strangers_makes_a_silent_member_forgotten_or_its_checksum_form() {
        let members = [2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        for (silent, wanted) in [
            (ChecksumForm::Rfc9568, ChecksumForm::Rfc9568),
            // Without the silent one the others would all speak the newer form.
            (ChecksumForm::Rfc5798, ChecksumForm::Rfc5798),
        ] {
            let mut heard = Heard::default();
            heard.remember(&says(2, Some(silent)), &config(), &members, at(1));
            heard.remember(&says(3, Some(ChecksumForm::Rfc9568)), &config(), &members, at(1));
            for last in 10..=250_u8 {
                heard.remember(&says(last, None), &config(), &members, at(u64::from(last)));
            }
            assert_eq!(heard.common_form(&members), wanted);
            assert!(members.iter().all(|member| heard.iter().any(|(source, _)| source == *member)));
        }
    }

    #[test]
    fn changed_settings_make_other_things_odd() {
        let mut heard = Heard::default();
        heard.remember(&says(2, None), &config(), &[], at(1));
        assert!(heard.iter().all(|(_, router)| router.discrepancies.is_empty()));
        let mut other = desired(240);
        other.virtual_addresses = vec!["192.0.2.99/24".parse().unwrap()];
        heard.judge_by(&translate::config(&other, "192.0.2.1".parse().unwrap()).unwrap());
        let odd: Vec<_> = heard.iter().flat_map(|(_, router)| router.discrepancies.clone()).collect();
        assert_eq!(odd, [Discrepancy::AddressList]);
    }
}
