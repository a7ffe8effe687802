//! What is kept of an incident that failed: every log and, as pcap, every capture.

use std::any::Any;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::capture::Capture;
use crate::frame::Frame;

const LINES_SHOWN: usize = 25;
const KEPT_SUFFIXES: [&str; 4] = ["log", "toml", "conf", "cfg"];

/// Copies logs, configurations and captures to `target/e2e/` and prints the end of each log and capture.
pub(crate) fn keep(laboratory: &Path, captures: &[Capture]) {
    match copy(laboratory, captures) {
        Ok(kept) => eprintln!("evidence is kept in {}", kept.display()),
        Err(error) => eprintln!("cannot keep the evidence: {error:#}"),
    }
}

/// The text of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message").to_owned()
}

fn copy(laboratory: &Path, captures: &[Capture]) -> Result<PathBuf> {
    let name = laboratory.file_name().context("the laboratory has no directory")?;
    let kept = crate::binaries::target_directory().join("e2e").join(name);
    fs::create_dir_all(&kept)?;
    for host in fs::read_dir(laboratory)?.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(host.path())?.filter_map(Result::ok) {
            let path = file.path();
            let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
            if KEPT_SUFFIXES.contains(&suffix) {
                let name = format!("{}-{}", host.file_name().display(), file.file_name().display());
                fs::copy(&path, kept.join(&name))?;
                if suffix == "log" {
                    show_tail(&name, &String::from_utf8_lossy(&fs::read(&path)?));
                }
            }
        }
    }
    for capture in captures {
        let frames = capture.frames();
        write_pcap(&kept.join(format!("{}.pcap", capture.name())), &frames)?;
        let lines: Vec<String> = frames.iter().map(Frame::to_string).collect();
        show_tail(&format!("capture at {}", capture.name()), &lines.join("\n"));
    }
    Ok(kept)
}

fn show_tail(name: &str, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES_SHOWN);
    eprintln!("--- the end of {name} ({} lines)\n{}", lines.len(), lines[from..].join("\n"));
}

/// The classic format with nanoseconds (<https://wiki.wireshark.org/Development/LibpcapFileFormat>).
fn write_pcap(path: &Path, frames: &[Frame]) -> Result<()> {
    const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
    const SNAP_LENGTH: u32 = 65_535;
    const ETHERNET: u32 = 1;
    let mut octets = Vec::new();
    for word in [MAGIC_NANOSECONDS, 4 << 16 | 2, 0, 0, SNAP_LENGTH, ETHERNET] {
        octets.extend(word.to_le_bytes());
    }
    for frame in frames {
        let at = frame.at.nanoseconds();
        let length = u32::try_from(frame.octets.len())?;
        let (seconds, rest) = (u32::try_from(at / 1_000_000_000)?, u32::try_from(at % 1_000_000_000)?);
        for word in [seconds, rest, length, length] {
            octets.extend(word.to_le_bytes());
        }
        octets.extend(&frame.octets);
    }
    fs::File::create(path)?.write_all(&octets)?;
    Ok(())
}
