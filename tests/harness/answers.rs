//! A stranger on the LAN that asks for many addresses every few milliseconds, by ARP or by neighbour
//! solicitations, and sees who answers.
//!
//! Who answers is told by the port of the switch at which the reply comes in, so that two holders of one
//! virtual MAC address are two. A question and its answers belong together by time: those that came in before
//! the next question.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::errno::Errno;

use crate::clock::Moment;
use crate::frame::{Arp, Content, Frame};
use crate::host::Host;
use crate::lab::Lab;
use crate::neighbour::Neighbour;
use crate::realtime::go_first;
use crate::wire::{Filter, Wire};

const REALTIME: u8 = 20;
/// For the threads that receive: the kernel stamps what waits for them.
const BEHIND: u8 = 5;

/// When a host answered for each address.
type Replies = Vec<Vec<Moment>>;

/// A running stranger.
#[derive(Debug)]
pub struct Observer {
    stopped: Arc<AtomicBool>,
    asking: JoinHandle<Result<Vec<Moment>>>,
    taps: Vec<JoinHandle<Result<Replies>>>,
}

/// Who answered for one address, question by question.
#[derive(Debug, Clone)]
pub struct Answers {
    asked: Arc<[Moment]>,
    /// How many hosts answered each question.
    answered: Vec<usize>,
}

impl Observer {
    /// Begins to ask from `host` for each of `addresses`, once `every`; `nodes` are those who may answer.
    ///
    /// # Errors
    /// Without root.
    pub fn start(
        lab: &Lab,
        host: &Host,
        nodes: &[&Host],
        addresses: &[IpAddr],
        every: Duration,
    ) -> Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        let mut taps = Vec::new();
        for node in nodes {
            let (namespace, port) = lab.port(node);
            let (stop, asking) =
                (Arc::clone(&stopped), [IpAddr::V4(host.lan), IpAddr::V6(host.link_local())]);
            let numbers: BTreeMap<IpAddr, usize> = addresses.iter().copied().zip(0..).collect();
            let (ready, opened) = mpsc::sync_channel(1);
            let tap = thread::Builder::new().name(format!("tap {}", node.name)).spawn(move || {
                let wire = namespace.join().and_then(|()| Wire::open_for(&port, Filter::Answers));
                // Whoever waits for it learns of a failure by the thread's own answer.
                let _nobody_waits = ready.send(());
                watch(&wire?, asking, &numbers, &stop)
            })?;
            opened.recv().context("a tap ended before it began")?;
            taps.push(tap);
        }
        let (stop, host, addresses) = (Arc::clone(&stopped), host.clone(), addresses.to_vec());
        let asking = thread::Builder::new()
            .name("observer".to_owned())
            .spawn(move || host.namespace.join().and_then(|()| ask(&host, &addresses, every, &stop)))?;
        Ok(Self { stopped, asking, taps })
    }

    /// Stops asking and tells who answered, by address.
    ///
    /// # Errors
    /// When a thread of it failed.
    pub fn finish(self) -> Result<Vec<Answers>> {
        self.stopped.store(true, Ordering::Relaxed);
        let asked: Arc<[Moment]> = self.asking.join().map_err(|_| anyhow!("the observer panicked"))??.into();
        let mut answers: Vec<Answers> = Vec::new();
        for tap in self.taps {
            let replies = tap.join().map_err(|_| anyhow!("a tap panicked"))??;
            answers.resize_with(replies.len(), || Answers::none(&asked));
            for (one, replies) in answers.iter_mut().zip(replies) {
                one.add(&replies);
            }
        }
        Ok(answers)
    }
}

impl Answers {
    fn none(asked: &Arc<[Moment]>) -> Self {
        Self { asked: Arc::clone(asked), answered: vec![0; asked.len()] }
    }

    /// Counts one more host in for each question that it answered.
    fn add(&mut self, replies: &[Moment]) {
        let mut last = None;
        for reply in replies {
            let question = self.asked.partition_point(|asked| asked <= reply).checked_sub(1);
            if let Some(question) = question.filter(|question| Some(*question) != last) {
                self.answered[question] += 1;
                last = Some(question);
            }
        }
    }

    /// The longest time in which, from `since` on, two hosts or more answered.
    #[must_use]
    pub fn two(&self, since: Moment) -> Duration {
        self.longest(since, |hosts| hosts >= 2)
    }

    /// The longest time in which, from `since` on, nobody answered.
    #[must_use]
    pub fn none_since(&self, since: Moment) -> Duration {
        self.longest(since, |hosts| hosts == 0)
    }

    /// From the first question of a run to the first one after it. The last question has no next one, and its
    /// answers may be under way: it is not looked at.
    fn longest(&self, since: Moment, wanted: impl Fn(usize) -> bool) -> Duration {
        let (mut longest, mut began) = (Duration::ZERO, None);
        let last = self.asked.len().saturating_sub(1);
        for (number, asked) in self.asked.iter().enumerate().filter(|(_, asked)| **asked >= since) {
            if number < last && wanted(self.answered[number]) {
                began.get_or_insert(*asked);
            } else if let Some(began) = began.take() {
                longest = longest.max(*asked - began);
            }
        }
        longest
    }
}

fn ask(host: &Host, addresses: &[IpAddr], every: Duration, stop: &AtomicBool) -> Result<Vec<Moment>> {
    go_first(REALTIME);
    let wire = Wire::open_for("eth0", Filter::Nothing)?;
    let question = |address: &IpAddr| match address {
        IpAddr::V4(address) => Arp::request(host.mac, host.lan, *address),
        IpAddr::V6(address) => Neighbour::solicitation(host.mac, host.link_local(), *address),
    };
    let requests: Vec<Vec<u8>> = addresses.iter().map(question).collect();
    let (mut asked, mut next) = (Vec::new(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        asked.push(Moment::now());
        for request in &requests {
            wire.send(request)?;
        }
        next += every;
        let now = Instant::now();
        next = next.max(now.checked_sub(every).unwrap_or(now));
        thread::sleep(next.saturating_duration_since(now));
    }
    Ok(asked)
}

fn watch(
    wire: &Wire,
    asking: [IpAddr; 2],
    numbers: &BTreeMap<IpAddr, usize>,
    stop: &AtomicBool,
) -> Result<Replies> {
    let mut replies = vec![Vec::new(); numbers.len()];
    go_first(BEHIND);
    loop {
        let is_over = stop.load(Ordering::Relaxed);
        let (at, octets) = match wire.receive() {
            Ok(Some(received)) => received,
            // What is in the queue has come in time, however late this thread is.
            Ok(None) if is_over => {
                ensure!(wire.dropped() == 0, "a tap has lost {} answers", wire.dropped());
                return Ok(replies);
            }
            Ok(None) => continue,
            // Said once when the port goes down; what comes in after it is up again is received.
            Err(error) if error.downcast_ref() == Some(&Errno::ENETDOWN) => continue,
            Err(error) => return Err(error),
        };
        let answer = Frame::read(at, &octets).and_then(|frame| answer_to(asking, &frame.content));
        if let Some(number) = answer.and_then(|address| numbers.get(&address)) {
            replies[*number].push(at);
        }
    }
}

/// The address that a frame says its sender has, if it answers the one who asks.
fn answer_to(asking: [IpAddr; 2], content: &Content) -> Option<IpAddr> {
    let (asked_by, address) = match content {
        Content::Arp(arp) if arp.is_reply => (IpAddr::V4(arp.target), IpAddr::V4(arp.sender)),
        Content::Neighbour(said) if said.is_advertisement => (IpAddr::V6(said.to), IpAddr::V6(said.target)),
        Content::Advert(_) | Content::Arp(_) | Content::Neighbour(_) => return None,
    };
    asking.contains(&asked_by).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A question every 5 ms, and two hosts that answer the questions that `first` and `second` say.
    fn answers(first: &[u32], second: &[u32]) -> (Moment, Answers) {
        let start = Moment::now();
        let asked: Vec<Moment> = (0..20).map(|number| start + MS * (5 * number)).collect();
        let mut answers = Answers::none(&asked.into());
        for host in [first, second] {
            let replies: Vec<Moment> = host.iter().map(|number| start + MS * (5 * number) + MS).collect();
            answers.add(&replies);
        }
        (start, answers)
    }

    #[test]
    fn two_hosts_that_answer_one_question_are_two_answers() {
        let (start, answers) = answers(&(0..=10).collect::<Vec<_>>(), &(8..=19).collect::<Vec<_>>());
        assert_eq!((answers.two(start), answers.none_since(start)), (MS * 15, Duration::ZERO));
    }

    #[test]
    fn questions_without_an_answer_are_a_time_with_none() {
        let (start, answers) = answers(&(0..=5).collect::<Vec<_>>(), &(10..=19).collect::<Vec<_>>());
        assert_eq!((answers.two(start), answers.none_since(start)), (Duration::ZERO, MS * 20));
    }

    #[test]
    fn one_host_that_answers_twice_is_one() {
        let (start, mut answers) = answers(&(0..=19).collect::<Vec<_>>(), &[]);
        answers.answered.fill(0);
        answers.add(&[start + MS, start + MS * 2]);
        assert_eq!((answers.two(start), answers.answered[0]), (Duration::ZERO, 1));
    }
}
