//! `baton-agent`: runs the VRRP election on a node, binds and announces addresses.

use std::process::ExitCode;

use baton_agent::agent;
use baton_agent::dataplane::Seams;

fn main() -> ExitCode {
    agent::main(Seams::real)
}
