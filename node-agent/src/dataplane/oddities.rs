//! What is odd about routers that are heard and obeyed all the same: told at a measured pace (RFC 9568 §7.1, §8.3.2).
//!
//! Pure. Whoever forges advertisements from many addresses must not flood the log, nor keep what members do out of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::{Discrepancy, Instant};

/// How long the same is not said again of the same router.
const SILENCE: Duration = Duration::from_mins(10);
/// How many things are said of strangers in that time.
const MAX_OF_STRANGERS: usize = 16;

type Told = BTreeMap<(IpAddr, Discrepancy), Instant>;

/// What was said, and when.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    of_members: Told,
    of_strangers: Told,
}

impl Oddities {
    /// A router was heard of which all this is odd. What people should read about it, if it is time to say something.
    pub(super) fn note(
        &mut self,
        source: IpAddr,
        odd: &[Discrepancy],
        is_member: bool,
        now: Instant,
    ) -> Option<String> {
        let told = if is_member { &mut self.of_members } else { &mut self.of_strangers };
        let is_news = |one: &&Discrepancy| told.get(&(source, **one)).is_none_or(|at| *at + SILENCE <= now);
        let mut news: Vec<_> = odd.iter().filter(is_news).copied().collect();
        if news.is_empty() {
            return None;
        }
        told.retain(|_, at| now < *at + SILENCE);
        if !is_member {
            news.truncate(MAX_OF_STRANGERS - told.len());
        }
        told.extend(news.iter().map(|one| ((source, *one), now)));
        let words: Vec<_> = news.iter().map(Discrepancy::to_string).collect();
        (!words.is_empty()).then(|| format!("{source} {}", words.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(1_000 + seconds))
    }

    #[test]
    fn each_odd_thing_about_a_router_is_told_once_in_ten_minutes() {
        let mut oddities = Oddities::default();
        let mut note = |odd: &[Discrepancy], seconds| oddities.note(MEMBER, odd, true, at(seconds));
        assert_eq!(note(&[], 0), None);
        let interval = [Discrepancy::Interval];
        let said = "192.0.2.2 advertises another interval than ours";
        assert_eq!(note(&interval, 0).as_deref(), Some(said));
        assert!((0..600).all(|seconds| note(&interval, seconds).is_none()));
        let both = [Discrepancy::Interval, Discrepancy::AddressList];
        assert_eq!(note(&both, 599).as_deref(), Some("192.0.2.2 lists other addresses than ours"));
        assert_eq!(note(&both, 600).as_deref(), Some(said), "it goes on");
    }

    #[test]
    fn strangers_without_number_neither_flood_the_log_nor_keep_members_out_of_it() {
        let mut oddities = Oddities::default();
        let odd = [Discrepancy::Interval, Discrepancy::AddressList, Discrepancy::EqualPriority];
        let strangers = (1..=10_000_u32).map(|number| IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
        let said = strangers.filter_map(|source| oddities.note(source, &odd, false, at(0))).count();
        assert!((1..=MAX_OF_STRANGERS).contains(&said), "{said} notices");
        assert!(oddities.of_strangers.len() <= MAX_OF_STRANGERS);
        assert!(oddities.note(MEMBER, &odd, true, at(1)).is_some());
        assert!(oddities.note(MEMBER, &odd, false, at(600)).is_some(), "later there is room again");
    }
}
