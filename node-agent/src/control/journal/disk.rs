//! The segments of the journal together: replay at start, rotation, reading back, retention.
//!
//! Everything here may block for as long as the disk does; only the writer's thread calls it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use api_types::channel::Acknowledged;
use api_types::transition::TransitionRecord;
use uuid::Uuid;

use super::record::{self, Record};
use super::segment::{self, Span, Writer};
use crate::control::durable_file;

/// How long a segment may get before the next one is begun, in octets.
pub(super) const SEGMENT_OCTETS: u64 = 1024 * 1024;
/// How much acknowledged history is kept at most, and unacknowledged is written at most, in octets.
pub(super) const TOTAL_OCTETS: u64 = 64 * 1024 * 1024;
/// How long acknowledged history is kept.
pub(super) const RETENTION: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How far one boot has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BootProgress {
    /// Which boot.
    pub(crate) boot_id: Uuid,
    /// The highest sequence that is known; 0 for none.
    pub(crate) last: u64,
    /// The highest sequence that a server acknowledged; 0 for none.
    pub(crate) acknowledged: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    octets: u64,
    spans: Vec<Span>,
}

/// The segments in their directory.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    /// The boot that is being written; what was acknowledged of it is never forgotten.
    boot_id: Uuid,
    segments: VecDeque<Segment>,
    /// The boot of the newest transitions that an earlier boot has left.
    boot_before: Option<Uuid>,
    /// The open end of the last segment; `None` until something is written, and after an error.
    writer: Option<Writer>,
    next_number: u64,
    acknowledged: BTreeMap<Uuid, u64>,
    limits: Limits,
}

/// When segments end and go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) segment_octets: u64,
    pub(super) total_octets: u64,
    pub(super) retention: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { segment_octets: SEGMENT_OCTETS, total_octets: TOTAL_OCTETS, retention: RETENTION }
    }
}

/// What replay found.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Every boot, in the order in which they were first seen.
    pub(super) boots: Vec<BootProgress>,
    /// What was damaged, in words.
    pub(super) damage: Vec<String>,
}

impl Disk {
    /// Replays every segment. Damage ends the segment it stands in, never the replay.
    pub(super) fn open(directory: &Path, boot_id: Uuid, limits: Limits) -> io::Result<(Self, Replay)> {
        durable_file::ensure_private_directory(directory)?;
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            numbers.extend(segment::number_of(&entry?.path()));
        }
        numbers.sort_unstable();

        let mut disk = Self {
            directory: directory.to_owned(),
            boot_id,
            segments: VecDeque::new(),
            boot_before: None,
            writer: None,
            next_number: numbers.last().map_or(1, |last| last + 1),
            acknowledged: BTreeMap::new(),
            limits,
        };
        let mut replay = Replay::default();
        for number in &numbers {
            disk.replay_segment(*number, &mut replay)?;
        }
        if let Some(last) = disk.segments.back().filter(|last| Some(&last.number) == numbers.last())
            && last.octets < limits.segment_octets
        {
            // A file that cannot be continued is left as it is; the next record begins another.
            disk.writer = Writer::resume(directory, last.number, last.octets).ok();
        }
        for boot in &mut replay.boots {
            boot.acknowledged = disk.acknowledged.get(&boot.boot_id).copied().unwrap_or_default();
            boot.last = boot.last.max(boot.acknowledged);
        }
        Ok((disk, replay))
    }

    fn replay_segment(&mut self, number: u64, replay: &mut Replay) -> io::Result<()> {
        let path = segment::path_of(&self.directory, number);
        let octets = std::fs::read(&path)?;
        let Some(scan) = segment::scan(&octets) else {
            replay.damage.push(format!("{}: the header is damaged or of another version", path.display()));
            return Ok(());
        };
        if scan.intact < octets.len() {
            let lost = octets.len() - scan.intact;
            replay.damage.push(format!(
                "{}: damaged after octet {}, {lost} octets ignored",
                path.display(),
                scan.intact
            ));
        }
        let mut spans = Vec::new();
        for record in scan.records {
            let (boot_id, sequence) = match record {
                Record::Transition { boot_id, sequence, .. } => {
                    segment::note(&mut spans, boot_id, sequence);
                    if boot_id != self.boot_id {
                        self.boot_before = Some(boot_id);
                    }
                    (boot_id, sequence)
                }
                Record::Acknowledged(Acknowledged { boot_id, sequence }) => {
                    self.note_acknowledged(Acknowledged { boot_id, sequence });
                    (boot_id, 0)
                }
            };
            match replay.boots.iter_mut().find(|boot| boot.boot_id == boot_id) {
                Some(boot) => boot.last = boot.last.max(sequence),
                None => replay.boots.push(BootProgress { boot_id, last: sequence, acknowledged: 0 }),
            }
        }
        self.segments.push_back(Segment { number, octets: scan.intact as u64, spans });
        Ok(())
    }

    /// Appends transitions and acknowledgements; they survive a crash once [`Disk::sync`] has returned.
    pub(super) fn append(
        &mut self,
        transitions: &[Arc<TransitionRecord>],
        acknowledged: &[Acknowledged],
    ) -> io::Result<()> {
        let result = self.try_append(transitions, acknowledged);
        if result.is_err() {
            self.abandon();
        }
        result
    }

    fn try_append(
        &mut self,
        transitions: &[Arc<TransitionRecord>],
        acknowledged: &[Acknowledged],
    ) -> io::Result<()> {
        for transition in transitions {
            let octets = record::encode_transition(transition)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the transition is too long"))?;
            self.append_octets(&octets)?;
            if let Some(segment) = self.segments.back_mut() {
                segment::note(&mut segment.spans, transition.boot_id, transition.sequence);
            }
        }
        for acknowledged in acknowledged {
            self.append_octets(&record::encode_acknowledged(*acknowledged))?;
            self.note_acknowledged(*acknowledged);
        }
        Ok(())
    }

    fn append_octets(&mut self, octets: &[u8]) -> io::Result<()> {
        let full = |writer: &Writer| writer.octets() + octets.len() as u64 > self.limits.segment_octets;
        if self.writer.as_ref().is_none_or(full) {
            self.rotate()?;
        }
        let Some(writer) = &mut self.writer else { return Err(io::Error::other("no segment is open")) };
        writer.append(octets)?;
        if let Some(segment) = self.segments.back_mut() {
            segment.octets = writer.octets();
        }
        Ok(())
    }

    /// Begins a segment. It repeats what is acknowledged, so that older segments can go.
    fn rotate(&mut self) -> io::Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.sync()?;
        }
        self.prune(SystemTime::now());
        if self.octets() >= self.limits.total_octets {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("the journal holds {} octets that no server has acknowledged", self.octets()),
            ));
        }
        let number = self.next_number;
        self.next_number += 1;
        let mut writer = Writer::create(&self.directory, number)?;
        self.segments.push_back(Segment { number, octets: writer.octets(), spans: Vec::new() });
        for (boot_id, sequence) in &self.acknowledged {
            let acknowledged = Acknowledged { boot_id: *boot_id, sequence: *sequence };
            writer.append(&record::encode_acknowledged(acknowledged))?;
        }
        self.writer = Some(writer);
        Ok(())
    }

    /// Makes everything appended survive a crash.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let result = self.writer.as_ref().map_or(Ok(()), Writer::sync);
        if result.is_err() {
            self.abandon();
        }
        result
    }

    /// After a failed write or sync nothing is known about the end of the file: it is never written again.
    fn abandon(&mut self) {
        self.writer = None;
    }

    /// The transitions of one boot from a sequence on, in order and without gaps between them, at most
    /// `limit`. They begin later than `from` when `from` is not there.
    pub(super) fn read(&self, boot_id: Uuid, from: u64, limit: usize) -> io::Result<Vec<TransitionRecord>> {
        let mut found = BTreeMap::new();
        for held in &self.segments {
            let wanted = |span: &Span| span.boot_id == boot_id && span.last >= from;
            let Some(span) = held.spans.iter().find(|span| wanted(span)) else { continue };
            if found.len() >= limit && found.keys().next_back().is_some_and(|last| *last < span.first) {
                break;
            }
            let transitions = self.transitions_in(held, boot_id)?.into_iter();
            found.extend(transitions.filter(|(sequence, _)| *sequence >= from));
        }
        let first = found.keys().next().copied().unwrap_or_default();
        let contiguous = (first..).zip(found).take_while(|(expected, (sequence, _))| expected == sequence);
        Ok(contiguous.take(limit).map(|(_, (_, transition))| transition).collect())
    }

    /// The last transition of each group in the boot `boot_id`; none unless that was the one before this.
    pub(super) fn ends_of(&self, boot_id: Uuid) -> io::Result<Vec<TransitionRecord>> {
        let mut last = BTreeMap::new();
        if self.boot_before != Some(boot_id) {
            return Ok(Vec::new());
        }
        for held in self.segments.iter().filter(|held| held.spans.iter().any(|span| span.boot_id == boot_id))
        {
            for (sequence, transition) in self.transitions_in(held, boot_id)? {
                let end = last.entry(transition.group_id).or_insert((sequence, transition.clone()));
                if end.0 < sequence {
                    *end = (sequence, transition);
                }
            }
        }
        Ok(last.into_values().map(|(_, transition)| transition).collect())
    }

    /// The transitions of one boot that a segment holds, in the order in which they were written.
    fn transitions_in(&self, held: &Segment, boot_id: Uuid) -> io::Result<Vec<(u64, TransitionRecord)>> {
        let octets = match std::fs::read(segment::path_of(&self.directory, held.number)) {
            // What somebody removed is gone for good, and must not hold up what came after it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            octets => octets?,
        };
        let transition = |record| match record {
            Record::Transition { boot_id: of, sequence, json } if of == boot_id => {
                Some((sequence, serde_json::from_slice(json).ok()?))
            }
            Record::Transition { .. } | Record::Acknowledged(_) => None,
        };
        let records = segment::scan(&octets).map(|scan| scan.records).unwrap_or_default();
        Ok(records.into_iter().filter_map(transition).collect())
    }

    /// Removes segments that hold nothing unacknowledged, oldest first: those past retention, and as many
    /// more as it takes to come below the limit.
    pub(super) fn prune(&mut self, now: SystemTime) {
        let mut octets = self.octets();
        let mut kept = VecDeque::new();
        while let Some(segment) = self.segments.pop_front() {
            let is_open = self.segments.is_empty() && self.writer.is_some();
            let removable = !is_open && self.is_acknowledged(&segment);
            let path = segment::path_of(&self.directory, segment.number);
            let due = octets >= self.limits.total_octets || self.is_past_retention(&path, now);
            if removable && due && std::fs::remove_file(&path).is_ok() {
                octets = octets.saturating_sub(segment.octets);
            } else {
                kept.push_back(segment);
            }
        }
        self.segments = kept;
        let segments = &self.segments;
        let is_held = |boot_id: &Uuid| {
            segments.iter().any(|held| held.spans.iter().any(|span| span.boot_id == *boot_id))
        };
        let current = self.boot_id;
        self.acknowledged.retain(|boot_id, _| *boot_id == current || is_held(boot_id));
    }

    fn is_acknowledged(&self, segment: &Segment) -> bool {
        segment
            .spans
            .iter()
            .all(|span| self.acknowledged.get(&span.boot_id).is_some_and(|sequence| *sequence >= span.last))
    }

    fn is_past_retention(&self, path: &Path, now: SystemTime) -> bool {
        let written = std::fs::metadata(path).and_then(|metadata| metadata.modified());
        written.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > self.limits.retention))
    }

    fn note_acknowledged(&mut self, acknowledged: Acknowledged) {
        let highest = self.acknowledged.entry(acknowledged.boot_id).or_default();
        *highest = (*highest).max(acknowledged.sequence);
    }

    fn octets(&self) -> u64 {
        self.segments.iter().map(|segment| segment.octets).sum()
    }
}

#[cfg(test)]
mod tests;
