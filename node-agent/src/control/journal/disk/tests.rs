use super::super::test_data::transition;
use super::*;

const SMALL: Limits =
    Limits { segment_octets: 4 * 1024, total_octets: 16 * 1024, retention: Duration::from_secs(3_600) };

struct Fixture {
    directory: tempfile::TempDir,
    boot_id: Uuid,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), boot_id: Uuid::new_v4() }
    }

    fn open(&self, limits: Limits) -> (Disk, Replay) {
        Disk::open(self.directory.path(), self.boot_id, limits).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn acknowledged(&self, sequence: u64) -> Acknowledged {
        Acknowledged { boot_id: self.boot_id, sequence }
    }

    fn append(&self, disk: &mut Disk, sequences: impl IntoIterator<Item = u64>) -> io::Result<()> {
        let transitions: Vec<_> =
            sequences.into_iter().map(|sequence| Arc::new(transition(self.boot_id, sequence))).collect();
        disk.append(&transitions, &[])?;
        disk.sync()
    }

    fn sequences(&self, disk: &Disk, from: u64, limit: usize) -> Vec<u64> {
        let read = disk.read(self.boot_id, from, limit).unwrap();
        read.iter().map(|transition| transition.sequence).collect()
    }
}

#[test]
fn what_was_synced_is_there_after_a_restart() {
    let fixture = Fixture::new();
    let (mut disk, _) = fixture.open(Limits::default());
    fixture.append(&mut disk, 1..=3).unwrap();
    disk.append(&[], &[fixture.acknowledged(2)]).unwrap();

    let (disk, replay) = fixture.open(Limits::default());
    assert_eq!(replay.boots, [BootProgress { boot_id: fixture.boot_id, last: 3, acknowledged: 2 }]);
    assert_eq!(disk.read(fixture.boot_id, 1, 1).unwrap(), [transition(fixture.boot_id, 1)]);
    assert_eq!(fixture.sequences(&disk, 2, 100), [2, 3]);
    assert_eq!(fixture.sequences(&disk, 4, 100), [0_u64; 0]);
}

#[test]
fn a_journal_cut_at_any_octet_opens_keeps_the_longest_prefix_and_can_be_continued() {
    let whole = Fixture::new();
    let (mut disk, _) = whole.open(Limits::default());
    let mut ends = Vec::new();
    for sequence in 1..=4 {
        whole.append(&mut disk, [sequence]).unwrap();
        ends.push(std::fs::metadata(&whole.files()[0]).unwrap().len());
    }
    let octets = std::fs::read(&whole.files()[0]).unwrap();
    let name = whole.files()[0].file_name().unwrap().to_owned();

    for cut in 0..=octets.len() {
        let fixture = Fixture { boot_id: whole.boot_id, ..Fixture::new() };
        std::fs::write(fixture.directory.path().join(&name), &octets[..cut]).unwrap();
        let (mut disk, replay) = fixture.open(Limits::default());
        let kept = ends.iter().filter(|end| **end <= cut as u64).count() as u64;
        assert_eq!(replay.boots.first().map_or(0, |boot| boot.last), kept, "cut at {cut}");
        let at_an_end = cut == segment::HEADER || ends.contains(&(cut as u64));
        assert_eq!(replay.damage.is_empty(), at_an_end, "cut at {cut}: {:?}", replay.damage);

        fixture.append(&mut disk, [kept + 1]).unwrap();
        let (disk, replay) = fixture.open(Limits::default());
        assert_eq!(replay.boots[0].last, kept + 1, "cut at {cut}");
        assert_eq!(fixture.sequences(&disk, 1, 100), (1..=kept + 1).collect::<Vec<_>>(), "cut at {cut}");
    }
}

#[test]
fn damage_in_one_segment_leaves_the_others_readable() {
    let fixture = Fixture::new();
    let (mut disk, _) = fixture.open(SMALL);
    fixture.append(&mut disk, 1..=20).unwrap();
    let files = fixture.files();
    assert!(files.len() >= 3, "{files:?}");
    let mut octets = std::fs::read(&files[1]).unwrap();
    octets[segment::HEADER + 20] ^= 1;
    std::fs::write(&files[1], octets).unwrap();

    let (disk, replay) = fixture.open(SMALL);
    assert_eq!(replay.boots[0].last, 20);
    assert!(replay.damage[0].contains(files[1].to_str().unwrap()), "{:?}", replay.damage);
    let before = fixture.sequences(&disk, 1, 100);
    assert_eq!(before.first(), Some(&1));
    let after = fixture.sequences(&disk, before.len() as u64 + 1, 100);
    assert!(after.first().is_some_and(|first| *first > before.len() as u64 + 1), "a hole is not hidden");
    assert_eq!(after.last(), Some(&20));
}

#[test]
fn reading_crosses_segments_and_stops_at_the_limit() {
    let fixture = Fixture::new();
    let (mut disk, _) = fixture.open(SMALL);
    fixture.append(&mut disk, 1..=30).unwrap();
    assert!(fixture.files().len() >= 3);
    assert_eq!(fixture.sequences(&disk, 1, 25), (1..=25).collect::<Vec<_>>());
    assert_eq!(fixture.sequences(&disk, 12, 100), (12..=30).collect::<Vec<_>>());
}

#[test]
fn nothing_unacknowledged_is_ever_removed_and_a_full_journal_says_so() {
    let fixture = Fixture::new();
    let (mut disk, _) = fixture.open(SMALL);
    let mut sequence = 0;
    let error = loop {
        sequence += 1;
        if let Err(error) = fixture.append(&mut disk, [sequence]) {
            break error;
        }
        assert!(sequence < 1_000, "the journal has no end");
    };
    assert!(error.to_string().contains("no server has acknowledged"), "{error}");
    assert_eq!(fixture.sequences(&disk, 1, 1_000).len() as u64, sequence - 1);

    disk.append(&[], &[]).unwrap();
    disk.note_acknowledged(fixture.acknowledged(sequence - 1));
    fixture.append(&mut disk, [sequence]).unwrap();
    let kept = fixture.sequences(&disk, 1, 1_000);
    assert!(kept[0] > 1, "the oldest acknowledged segment made room");
    assert_eq!(kept.last(), Some(&sequence));
}

#[test]
fn acknowledged_history_is_kept_for_its_time_and_then_removed() {
    let fixture = Fixture::new();
    let (mut disk, _) = fixture.open(SMALL);
    fixture.append(&mut disk, 1..=20).unwrap();
    disk.append(&[], &[fixture.acknowledged(20)]).unwrap();
    let files = fixture.files().len();

    disk.prune(SystemTime::now());
    assert_eq!(fixture.files().len(), files, "a database may yet be restored");
    disk.prune(SystemTime::now() + SMALL.retention + Duration::from_secs(60));
    assert_eq!(fixture.files().len(), 1, "the segment that is being written stays");

    let (_, replay) = fixture.open(SMALL);
    assert_eq!(replay.boots, [BootProgress { boot_id: fixture.boot_id, last: 20, acknowledged: 20 }]);
}

#[test]
fn the_sequence_of_this_boot_survives_the_removal_of_all_its_segments() {
    let fixture = Fixture::new();
    let (mut disk, _) = fixture.open(SMALL);
    fixture.append(&mut disk, 1..=20).unwrap();
    disk.append(&[], &[fixture.acknowledged(20)]).unwrap();
    disk.writer = None;
    disk.prune(SystemTime::now() + SMALL.retention + Duration::from_secs(60));
    disk.append(&[], &[]).unwrap();
    disk.rotate().unwrap();
    let (_, replay) = fixture.open(SMALL);
    assert_eq!(replay.boots[0].last, 20);
}

#[test]
fn boots_are_told_apart() {
    let fixture = Fixture::new();
    let other = Uuid::new_v4();
    let (mut disk, _) = fixture.open(Limits::default());
    let both = [Arc::new(transition(other, 1)), Arc::new(transition(fixture.boot_id, 1))];
    disk.append(&both, &[]).unwrap();
    fixture.append(&mut disk, [2]).unwrap();

    let (disk, replay) = fixture.open(Limits::default());
    let lasts: Vec<_> = replay.boots.iter().map(|boot| (boot.boot_id, boot.last)).collect();
    assert_eq!(lasts, [(other, 1), (fixture.boot_id, 2)]);
    assert_eq!(disk.read(other, 1, 100).unwrap(), [transition(other, 1)]);
    assert_eq!(fixture.sequences(&disk, 1, 100), [1, 2]);
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let fixture = Fixture::new();
    std::fs::write(fixture.directory.path().join("notes.txt"), "mine").unwrap();
    let (mut disk, replay) = fixture.open(Limits::default());
    assert!(replay.damage.is_empty());
    fixture.append(&mut disk, [1]).unwrap();
    assert_eq!(fixture.files().len(), 2);
}

#[test]
fn a_segment_that_somebody_removed_does_not_hold_up_what_came_after_it() {
    let fixture = Fixture::new();
    let (mut disk, _) = fixture.open(SMALL);
    fixture.append(&mut disk, 1..=30).unwrap();
    std::fs::remove_file(&fixture.files()[0]).unwrap();
    let left = fixture.sequences(&disk, 1, 100);
    assert!(left[0] > 1, "{left:?}");
    assert_eq!(left.last(), Some(&30));
}
