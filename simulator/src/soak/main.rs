//! `baton-soak`: runs seeded schedules of faults, on one LAN and on several that the nodes share, for a while or until it is interrupted, and keeps the seeds
//! that fail.

mod interrupt;
mod totals;

use std::fs::OpenOptions;
use std::io::Write;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use simulator::{Schedule, SiteSchedule};

use self::totals::Totals;

/// Runs seeded schedules of faults against the protocol core on a simulated LAN.
#[derive(Debug, Parser)]
#[command(name = "baton-soak", version)]
struct Options {
    /// How long, in seconds; 0 is until it is interrupted (SIGINT, SIGTERM).
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How many seeds at most.
    #[arg(long)]
    seeds: Option<u64>,
    /// Stop at the first that fails.
    #[arg(long)]
    first: bool,
    /// The first seed; the others follow. Without it, the seconds since 1970 times 2^20.
    #[arg(long, conflicts_with = "only")]
    from: Option<u64>,
    /// Run this seed alone, and print what is drawn and what the routers did.
    #[arg(long)]
    only: Option<u64>,
    /// The file that failing seeds are added to, for the tests to run them again.
    #[arg(long, default_value = "simulator/regressions.txt")]
    keep: PathBuf,
}

impl Options {
    /// How long it runs; `None` is until it is interrupted.
    fn lasts(&self) -> Option<Duration> {
        (self.seconds > 0).then(|| Duration::from_secs(self.seconds))
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.only {
        Some(seed) => tell(seed),
        None => soak(&options),
    }
}

fn tell(seed: u64) -> ExitCode {
    let schedule = Schedule::draw(seed);
    println!("{schedule:#?}");
    println!("{:?}", schedule.run_and_tell());
    let schedule = SiteSchedule::draw(seed);
    println!("{schedule:#?}");
    println!("{:?}", schedule.run_and_tell());
    ExitCode::SUCCESS
}

fn soak(options: &Options) -> ExitCode {
    let first = options.from.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs() << 20
    });
    let (next, totals) = (AtomicU64::new(first), Mutex::new(Totals::default()));
    let failed = AtomicBool::new(false);
    let (started, lasts) = (Instant::now(), options.lasts());
    match lasts {
        Some(lasts) => println!("seeds from {first}, for {} s", lasts.as_secs()),
        None => println!("seeds from {first}, until interrupted"),
    }
    let interrupted = match interrupt::watch() {
        Ok(flag) => flag,
        Err(error) => {
            eprintln!("cannot wait for SIGINT: {error}");
            return ExitCode::FAILURE;
        }
    };
    let is_over = || {
        lasts.is_some_and(|lasts| started.elapsed() >= lasts)
            || interrupted.load(Ordering::Relaxed)
            || options.first && failed.load(Ordering::Relaxed)
    };

    let worker = || {
        while !is_over() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if options.seeds.is_some_and(|seeds| seed - first >= seeds) {
                return;
            }
            let run = || (Schedule::draw(seed).run(), SiteSchedule::draw(seed).run());
            let summary = catch_unwind(run).ok();
            if summary.is_none() {
                failed.store(true, Ordering::Relaxed);
                keep(&options.keep, seed);
            }
            let Ok(mut totals) = totals.lock() else { return };
            totals.add(summary);
            if totals.is_due() {
                totals.report(started.elapsed());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(worker);
        }
    });

    let Ok(mut totals) = totals.into_inner() else { return ExitCode::FAILURE };
    totals.report(started.elapsed());
    if totals.none_failed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn keep(file: &Path, seed: u64) {
    eprintln!("seed {seed} failed; `baton-soak --only {seed}` tells how");
    let kept =
        OpenOptions::new().append(true).create(true).open(file).and_then(|mut file| writeln!(file, "{seed}"));
    if let Err(error) = kept {
        eprintln!("cannot keep it in {}: {error}", file.display());
    }
}
