//! One measurement: the client's probes and the observer's questions from before a fault until all is quiet.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::frame::{Content, Frame};
use e2e::{Moment, Observer, UdpProber};
use serde::{Deserialize, Serialize};

use crate::bench::{BOUND, Bench, Call};
use crate::group::GroupPlan;

/// How many frames around the first lost probe are kept of a run that failed.
const EXCERPT: usize = 16;

/// What one group's client and observer saw of one fault. Times are in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) group: u8,
    /// How many probes were sent, and how many of them were not answered.
    pub(crate) sent: usize,
    pub(crate) lost: usize,
    /// The longest time between two answers, less what the prober did not send.
    pub(crate) gap_ms: f64,
    /// The longest time with two answers to one question of the observer, and with none.
    pub(crate) two_answers_ms: f64,
    pub(crate) none_ms: f64,
    /// From when a member was to hold the addresses until its first advertisement.
    pub(crate) held_after_ms: Option<f64>,
    /// From when a member was to hold the addresses until the client had an answer.
    #[serde(default)]
    pub(crate) answered_after_ms: Option<f64>,
    /// How many advertisements `n1` has sent, and how many it would have sent as the holder all the while.
    pub(crate) adverts: usize,
    pub(crate) due_adverts: usize,
    /// The longest time in which `n1` has sent none.
    pub(crate) silence_ms: f64,
    /// How many advertisements another member than `n1` has sent.
    pub(crate) others_adverts: usize,
    /// How often a fence of `n1` has acted, and its worker died, although nothing had failed; 0 where the
    /// scenario does not ask.
    pub(crate) lapses: u64,
    /// Active_Down_Interval of the group's Backup.
    pub(crate) active_down_ms: f64,
    /// The longest pause of the prober itself.
    pub(crate) stall_ms: f64,
    /// The longest that a probe waited on a node for the service that answers, which is the ruler's own.
    pub(crate) echo_delay_ms: f64,
    /// What was on the wire around the first lost probe.
    pub(crate) excerpt: Vec<String>,
}

/// A measurement under way.
pub(crate) struct Trial {
    prober: UdpProber,
    observer: Observer,
    since: Moment,
    /// What the capture had lost before.
    dropped: u32,
}

impl Trial {
    /// Begins to probe and to ask, and waits until every address answers.
    pub(crate) fn begin(bench: &Bench<'_>) -> Result<Self> {
        let addresses = bench.addresses();
        let prober = UdpProber::start(&bench.client, &addresses, bench.shape.probe_every())?;
        let nodes = [&bench.n1.host, &bench.n2.host];
        let observer =
            Observer::start(bench.lab, &bench.observer, &nodes, &addresses, bench.shape.ask_every())?;
        prober.warm_up(BOUND)?;
        bench.echo_delay();
        bench.marked();
        bench.calls();
        bench.lapses();
        Ok(Self { prober, observer, since: Moment::now(), dropped: bench.capture.dropped() })
    }

    /// Ends it and tells what was seen since it had begun.
    pub(crate) fn finish(self, bench: &Bench<'_>) -> Result<Vec<Run>> {
        let until = Moment::now();
        let answers = self.observer.finish()?;
        let timelines = self.prober.finish()?;
        let (mut runs, since) = (Vec::new(), bench.marked().unwrap_or(self.since));
        let (frames, dropped) = (bench.capture.frames(), bench.capture.dropped() - self.dropped);
        ensure!(dropped == 0, "the witness has missed {dropped} frames, and can judge nothing");
        let lapses = bench.lapses();
        let echo_delay_ms = milliseconds(bench.echo_delay());
        let seen = bench.groups.iter().zip(&timelines).zip(&answers);
        for (((group, timeline), answers), call) in seen.zip(bench.calls()) {
            let answered_at = call.and_then(|call| timeline.first_answer(call.at));
            let made_at = answered_at.filter(|_| call.is_some_and(|call| call.is_made));
            let since = made_at.map_or(since, |at| at + Duration::from_nanos(1));
            let (sent, lost) = timeline.lost(since);
            let first_lost = timeline.unanswered(since).first().copied();
            let gap = timeline.worst_gap(since);
            let said = Said::about(bench, &frames, group.vrid, since..until);
            runs.push(Run {
                group: group.vrid,
                sent,
                lost,
                gap_ms: milliseconds(gap.length),
                two_answers_ms: milliseconds(answers.two(since)),
                none_ms: milliseconds(answers.none_since(since)),
                held_after_ms: call.and_then(|call| held_after(&frames, group.vrid, call)),
                answered_after_ms: call.zip(answered_at).map(|(call, at)| milliseconds(at - call.at)),
                adverts: said.own,
                due_adverts: usize::try_from((until - since).as_millis() / bench.interval().as_millis())?,
                silence_ms: milliseconds(said.silence),
                others_adverts: said.others,
                lapses,
                active_down_ms: milliseconds(group.active_down(bench.interval())),
                stall_ms: milliseconds(timeline.worst_stall(since)),
                echo_delay_ms,
                excerpt: first_lost.or(gap.began).map(|at| excerpt(&frames, group, at)).unwrap_or_default(),
            });
        }
        Ok(runs)
    }
}

/// For people: what was seen, and what was on the wire around it.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, sent, lost, gap_ms, two_answers_ms, none_ms, stall_ms, echo_delay_ms, .. } = self;
        let Self { adverts, due_adverts, silence_ms, others_adverts, lapses, .. } = self;
        if let Some(held_after_ms) = self.held_after_ms {
            write!(f, "held after {held_after_ms} ms; ")?;
        }
        if let Some(answered_after_ms) = self.answered_after_ms {
            write!(f, "answered after {answered_after_ms} ms; ")?;
        }
        writeln!(
            f,
            "group {group}: {lost} of {sent} probes lost, a gap of {gap_ms} ms, two answers for \
             {two_answers_ms} ms, none for {none_ms} ms; own delays: {stall_ms} and {echo_delay_ms} ms; \
             {adverts} advertisements of n1 ({due_adverts} intervals), none for {silence_ms} ms, \
             {others_adverts} of others, {lapses} lapses"
        )?;
        self.excerpt.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// What was advertised for a virtual router in a span of time.
struct Said {
    /// How many advertisements `n1` has sent, and the longest time without one.
    own: usize,
    silence: Duration,
    /// How many all others have sent, be it later.
    others: usize,
}

impl Said {
    fn about(bench: &Bench<'_>, frames: &[Frame], vrid: u8, time: Range<Moment>) -> Self {
        let n1 = bench.address_of(&bench.n1);
        let (mut said, mut last) = (Self { own: 0, silence: Duration::ZERO, others: 0 }, time.start);
        for frame in frames.iter().filter(|frame| frame.at > time.start) {
            match &frame.content {
                Content::Advert(advert)
                    if advert.vrid == vrid && advert.from == n1 && frame.at < time.end =>
                {
                    said.own += 1;
                    said.silence = said.silence.max(frame.at - last);
                    last = frame.at;
                }
                Content::Advert(advert) if advert.vrid == vrid && advert.from != n1 => said.others += 1,
                Content::Advert(_) | Content::Arp(_) | Content::Neighbour(_) => {}
            }
        }
        said.silence = said.silence.max(time.end - last);
        said
    }
}

/// How long after a call the called one advertised, as the witness saw it.
fn held_after(frames: &[Frame], vrid: u8, call: Call) -> Option<f64> {
    let called = call.to?;
    let by_the_called = |frame: &&Frame| match &frame.content {
        Content::Advert(advert) => {
            frame.at > call.at && advert.vrid == vrid && advert.from == called && advert.priority > 0
        }
        Content::Arp(_) | Content::Neighbour(_) => false,
    };
    frames.iter().find(by_the_called).map(|frame| milliseconds(frame.at - call.at))
}

/// What was said about a group just before and after `at`.
fn excerpt(frames: &[Frame], group: &GroupPlan, at: Moment) -> Vec<String> {
    let about = |frame: &&Frame| match &frame.content {
        Content::Advert(advert) => advert.vrid == group.vrid,
        Content::Arp(arp) => group.address == arp.sender || group.address == arp.target,
        Content::Neighbour(neighbour) => group.address == neighbour.target,
    };
    let frames: Vec<&Frame> = frames.iter().filter(about).collect();
    let middle = frames.partition_point(|frame| frame.at < at);
    let shown = &frames[middle.saturating_sub(EXCERPT / 2)..frames.len().min(middle + EXCERPT / 2)];
    let mut lines = vec![format!("first lost probe or start of the gap: {at}")];
    lines.extend(shown.iter().map(|frame| {
        let mut line = String::new();
        let after = if frame.at >= at { milliseconds(frame.at - at) } else { -milliseconds(at - frame.at) };
        let _into_a_string = write!(line, "{after:+9.3} ms  {frame}");
        line
    }));
    lines
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
