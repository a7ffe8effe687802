//! An agent that takes addresses over and tells no neighbour.
//!
//! It elects, binds and advertises like the real one, but sends no gratuitous ARP, so that neighbours go on
//! sending to the router before. What watches over a failover must notice; this program exists so that a test can
//! show that it does.

use std::process::ExitCode;

use baton_agent::agent;
use baton_agent::dataplane::{Announcement, AnnouncementFrame, Announcer, Seams};

struct NeverAnnounces;

impl Announcer for NeverAnnounces {
    fn frames(&self, _announcement: &Announcement) -> Vec<AnnouncementFrame> {
        Vec::new()
    }
}

fn main() -> ExitCode {
    agent::main(|| Seams { announcer: Box::new(NeverAnnounces), ..Seams::real() })
}
