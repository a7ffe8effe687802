//! Each fence with all others off, against what it is for.

use anyhow::Result;
use nix::sys::signal::Signal;
use serde_json::json;

use super::crash::{kill_for_good, wait_until_replaced};
use crate::bench::Bench;
use crate::expected::{Expected, LEASE_FROM_MS};
use crate::scenario::Scenario;

pub(crate) const GUARD: Scenario = Scenario {
    prepare: |bench| only(bench, "guard"),
    restore: all,
    ..Scenario::new(
        "guard_alone",
        "the holder's worker hangs (SIGSTOP), and the next one is killed within 10 s: the guard resigns; only the \
         guard is on",
        Expected::Resigned,
        |bench| {
            let hangs = bench.n1.worker()?;
            std::thread::sleep(bench.random_phase());
            bench.n1.signal_worker(Signal::SIGSTOP)?;
            wait_until_replaced(bench, hangs)?;
            std::thread::sleep(bench.interval() * 4);
            kill_for_good(bench)
        },
    )
};

pub(crate) const NFTABLES_LEASE: Scenario = Scenario {
    from_interval_ms: LEASE_FROM_MS,
    prepare: |bench| only(bench, "nftables_lease"),
    restore: all,
    ..Scenario::new(
        "nftables_lease_alone",
        "every process of the holder's agent is killed; only the nftables lease is on",
        Expected::Failure,
        kill_all,
    )
};

pub(crate) const ADDRESS_LEASE: Scenario = Scenario {
    prepare: |bench| only(bench, "address_lease"),
    restore: all,
    ..Scenario::new(
        "address_lease_alone",
        "every process of the holder's agent is killed; only the kernel's address lease is on",
        Expected::WholeSeconds,
        |bench| {
            kill_all(bench)?;
            bench.wait_until_only(&bench.n2, &bench.n1)
        },
    )
};

pub(crate) const SELF_CHECK: Scenario = Scenario {
    prepare: |bench| {
        only(bench, "self_check")?;
        without_preemption(bench)?;
        bench.n1.signal_all(Signal::SIGSTOP);
        moved(bench)
    },
    restore: all,
    ..Scenario::new(
        "self_check_alone",
        "the holder's agent goes on (SIGCONT) after another has taken over, in groups without preemption: it \
         must not say a word; only the self-check is on",
        Expected::Silenced,
        |bench| {
            std::thread::sleep(bench.random_phase());
            // Until now the kernel of n1 has answered, too.
            bench.mark();
            bench.n1.signal_all(Signal::SIGCONT);
            bench.wait_until_only(&bench.n2, &bench.n1)?;
            bench.tail();
            Ok(())
        },
    )
};

/// So that a member of higher priority may keep what it holds, and may not take it back.
fn without_preemption(bench: &Bench<'_>) -> Result<()> {
    for number in 0..bench.groups.len() {
        bench.edit(number, |group| group["preempt_mode"] = json!(false))?;
    }
    bench.wait_until_applied()
}

fn only(bench: &Bench<'_>, fence: &str) -> Result<()> {
    let settings: Vec<String> = ["guard", "nftables_lease", "address_lease", "self_check"]
        .map(|name| format!("{name} = {}", name == fence))
        .into();
    begin_anew(bench, &format!("[fences]\n{}\n", settings.join("\n")))?;
    bench.settle()
}

fn all(bench: &Bench<'_>) -> Result<()> {
    bench.n1.signal_all(Signal::SIGCONT);
    begin_anew(bench, "")
}

fn begin_anew(bench: &Bench<'_>, settings: &str) -> Result<()> {
    bench.n1.configure(settings)?;
    bench.n1.kill()?;
    bench.n1.restart()?;
    bench.wait_until_connected()
}

fn kill_all(bench: &Bench<'_>) -> Result<()> {
    std::thread::sleep(bench.random_phase());
    bench.n1.kill()?;
    moved(bench)
}

fn moved(bench: &Bench<'_>) -> Result<()> {
    bench.wait_until_held_by(&bench.n2)?;
    bench.tail();
    Ok(())
}
