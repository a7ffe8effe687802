//! One file of the journal: a header, then records, each appended once and never changed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::record::{self, Record};
use crate::control::durable_file;

const MAGIC: &[u8; 8] = b"BATONJNL";
const VERSION: u32 = 1;
/// Magic, version, and a CRC-32C over both.
pub(super) const HEADER: usize = 16;

/// Which transitions of one boot a segment holds: `first..=last`, possibly with holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) boot_id: Uuid,
    pub(super) first: u64,
    pub(super) last: u64,
}

/// The records of a segment, up to the first damage.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan<'a> {
    pub(super) records: Vec<Record<'a>>,
    /// How many octets from the start of the file are undamaged.
    pub(super) intact: usize,
}

/// Reads a segment as far as it is undamaged; `None` when its header is, or is of another version.
pub(super) fn scan(octets: &[u8]) -> Option<Scan<'_>> {
    if octets.get(..HEADER)? != header() {
        return None;
    }
    let mut records = Vec::new();
    let mut intact = HEADER;
    while let Some((record, length)) = record::decode(octets.get(intact..)?) {
        records.push(record);
        intact += length;
    }
    Some(Scan { records, intact })
}

/// The file's name sorts as its number counts.
pub(super) fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}.log"))
}

/// The number of the segment with this file name; `None` for other files.
pub(super) fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    if name.len() == 20 { name.parse().ok() } else { None }
}

/// Adds the spans of a record to those of its segment.
pub(super) fn note(spans: &mut Vec<Span>, boot_id: Uuid, sequence: u64) {
    match spans.iter_mut().find(|span| span.boot_id == boot_id) {
        Some(span) => {
            span.first = span.first.min(sequence);
            span.last = span.last.max(sequence);
        }
        None => spans.push(Span { boot_id, first: sequence, last: sequence }),
    }
}

/// A segment that is being written.
#[derive(Debug)]
pub(super) struct Writer {
    file: File,
    octets: u64,
}

impl Writer {
    /// Starts the file of segment `number`.
    pub(super) fn create(directory: &Path, number: u64) -> io::Result<Self> {
        let path = path_of(directory, number);
        let mut file =
            OpenOptions::new().append(true).create_new(true).mode(durable_file::PRIVATE).open(&path)?;
        let started = file
            .write_all(&header())
            .and_then(|()| file.sync_data())
            .and_then(|()| durable_file::sync_directory_of(&path));
        if let Err(error) = started {
            // Without its header the file says nothing; where even this fails, the next start skips it.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self { file, octets: HEADER as u64 })
    }

    /// Continues a file whose first `intact` octets are undamaged; what follows them is cut off.
    pub(super) fn resume(directory: &Path, number: u64, intact: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(path_of(directory, number))?;
        if file.metadata()?.len() != intact {
            file.set_len(intact)?;
            file.sync_data()?;
        }
        Ok(Self { file, octets: intact })
    }

    /// Appends whole records. After an error the file must not be written again.
    pub(super) fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)?;
        self.octets += octets.len() as u64;
        Ok(())
    }

    /// Waits until everything appended would survive a crash. After an error nothing is known about it.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// How long the file is.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }
}

fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&checksum.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::super::test_data::transition;
    use super::*;

    #[test]
    fn a_segment_cut_at_any_octet_keeps_every_whole_record_before_the_cut() {
        let boot_id = Uuid::new_v4();
        let mut octets = header().to_vec();
        let mut ends = vec![octets.len()];
        for sequence in 1..=5 {
            octets.extend(record::encode_transition(&transition(boot_id, sequence)).unwrap());
            ends.push(octets.len());
        }
        for cut in 0..=octets.len() {
            let scan = scan(&octets[..cut]);
            let Some(scan) = scan else {
                assert!(cut < HEADER, "cut at {cut}");
                continue;
            };
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(scan.records.len(), whole, "cut at {cut}");
            assert_eq!(scan.intact, ends[whole], "cut at {cut}");
        }
    }

    #[test]
    fn a_segment_of_another_version_is_not_read() {
        let mut octets = header().to_vec();
        octets[8] = 2;
        assert_eq!(scan(&octets), None);
    }

    #[test]
    fn file_names_count_and_other_files_are_none() {
        let directory = Path::new("/j");
        assert_eq!(number_of(&path_of(directory, 42)), Some(42));
        for other in ["1.log", "x", "00000000000000000001.log.new", "0000000000000000000x.log"] {
            assert_eq!(number_of(&directory.join(other)), None, "{other}");
        }
    }
}
