//! A client that opens a new HTTP connection through the virtual address every few milliseconds.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock::Moment;
use crate::host::Host;
use crate::interrupt::stand_aside;
use crate::probes::{Answer, Probe, Prober, Probes};

/// The header of an answer that names the host it came from.
pub const SERVED_BY: &str = "x-served-by";

const EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_millis(100);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: service.example\r\nConnection: close\r\n\r\n";

/// Begins to probe port 80 of `target` from `client`: every 20 ms, each with 100 ms of patience, so that
/// several are in flight when nobody answers.
///
/// # Errors
/// When there can be no thread.
pub fn start(client: &Host, target: Ipv4Addr) -> Result<Prober> {
    let probes = Probes::default();
    let (recorder, namespace) = (probes.clone(), client.namespace.clone());
    let target = SocketAddrV4::new(target, 80);
    thread::Builder::new().name(format!("http {target}")).spawn(move || {
        if let Err(error) = namespace.join().and_then(|()| probe_until_stopped(target, &recorder)) {
            stand_aside();
            eprintln!("probing {target}: {error:#}");
        }
    })?;
    Ok(Prober::new(probes))
}

fn probe_until_stopped(target: SocketAddrV4, probes: &Probes) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !probes.is_stopped() {
            ticks.tick().await;
            let probes = probes.clone();
            tokio::spawn(async move { probes.add(probe(target).await) });
        }
    });
    Ok(())
}

async fn probe(target: SocketAddrV4) -> Probe {
    let sent = Moment::now();
    let answer = match timeout(PATIENCE, fetch(target)).await {
        Ok(Ok(by)) => Ok(Answer { at: Moment::now(), by }),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    };
    Probe { sent, answer }
}

async fn fetch(target: SocketAddrV4) -> Result<String> {
    let mut stream = TcpStream::connect(target).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, _) = answer.split_once("\r\n\r\n").context("an answer without an end of its head")?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200") {
        bail!("answered {status:?}");
    }
    let served_by = lines.filter_map(|line| line.split_once(": ")).find(|(name, _)| *name == SERVED_BY);
    Ok(served_by.map(|(_, host)| host.to_owned()).unwrap_or_default())
}
