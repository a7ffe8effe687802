//! The last good desired state on disk: what an agent starts from, before and without a server.
//!
//! Only a state that the dataplane has accepted is ever stored. There are two generations: a new one is
//! written beside, synced, and then takes the place of the current one, which becomes the previous. Each file
//! starts with a line that names its format and carries a CRC-32C, followed by the JSON of an [`Assignment`]:
//!
//! ```text
//! baton-desired-state 1 crc32c=9ae0daaf
//! {"origin":{"node_id":"…","authority":"…"},"revision":{"epoch":1,"counter":7},"digest":"…","groups":[…]}
//! ```

use std::io;
use std::path::{Path, PathBuf};

use api_types::channel::{DesiredState, Revision};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::durable_file;
use super::identity::Origin;

const HEADER: &str = "baton-desired-state 1 crc32c=";

/// What a node shall run, and by whose word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Who counted its revision; `None` in a file of a version that did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What the node shall run.
    #[serde(flatten)]
    pub state: DesiredState,
}

impl Assignment {
    /// What tells it from another one.
    pub(crate) fn label(&self) -> Label {
        let DesiredState { revision, digest, .. } = &self.state;
        Label { origin: self.origin.clone(), revision: *revision, digest: digest.clone() }
    }
}

/// An [`Assignment`] without its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) origin: Option<Origin>,
    pub(crate) revision: Revision,
    pub(crate) digest: String,
}

/// The two generations in their directory.
#[derive(Debug)]
pub struct DesiredStateStore {
    current: PathBuf,
    previous: PathBuf,
    /// What the current file is known to hold; only then may it become the previous one.
    holds: Option<Label>,
}

/// What was on disk.
#[derive(Debug)]
pub struct Loaded {
    /// The newest state that is undamaged.
    pub assignment: Option<Assignment>,
    /// Why a file was passed over, for each that was.
    pub damage: Vec<DesiredStateError>,
}

/// Why a file holds no desired state, or could not be written.
#[derive(Debug, Error)]
pub enum DesiredStateError {
    /// It could not be read or written.
    #[error("cannot read or write {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not begin as it must.
    #[error("{0}: the first line is not \"{HEADER}…\": damaged, or written by another version")]
    Header(PathBuf),
    /// What follows the first line is not what was written.
    #[error("{0}: damaged, the checksum does not match")]
    Checksum(PathBuf),
    /// What was written is no desired state.
    #[error("{path} is no desired state")]
    Json {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The groups are not the ones that the digest was made for.
    #[error("{0}: the digest does not match the groups")]
    Digest(PathBuf),
}

impl DesiredStateStore {
    /// The store in `state_dir`.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self {
            current: state_dir.join("desired-state"),
            previous: state_dir.join("desired-state.previous"),
            holds: None,
        }
    }

    /// Reads the newest undamaged generation.
    pub fn load(&mut self) -> Loaded {
        let mut damage = Vec::new();
        match read(&self.current) {
            Ok(Some(assignment)) => {
                self.holds = Some(assignment.label());
                return Loaded { assignment: Some(assignment), damage };
            }
            Ok(None) => {}
            Err(error) => damage.push(error),
        }
        let assignment = read(&self.previous).unwrap_or_else(|error| {
            damage.push(error);
            None
        });
        Loaded { assignment, damage }
    }

    /// Stores a state that the dataplane has accepted. One that is stored already is left as it is, so that a
    /// restart does not push out the generation before.
    ///
    /// # Errors
    /// When the disk refuses; then both generations are what they were.
    pub fn save(&mut self, assignment: &Assignment) -> Result<(), DesiredStateError> {
        let new = assignment.label();
        if self.holds.as_ref() == Some(&new) {
            return Ok(());
        }
        let failed = |path: &Path, source| DesiredStateError::File { path: path.to_owned(), source };
        let json = serde_json::to_vec(assignment)
            .map_err(|source| DesiredStateError::Json { path: self.current.clone(), source })?;
        let mut contents = format!("{HEADER}{:08x}\n", crc32c::crc32c(&json)).into_bytes();
        contents.extend(json);

        let beside = durable_file::write_beside(&self.current, &contents, durable_file::PRIVATE)
            .map_err(|source| failed(&self.current, source))?;
        let same_state = |held: &Label| (held.revision, &held.digest) == (new.revision, &new.digest);
        if self.holds.as_ref().is_some_and(|held| !same_state(held)) {
            std::fs::rename(&self.current, &self.previous)
                .map_err(|source| failed(&self.previous, source))?;
            self.holds = None;
        }
        std::fs::rename(&beside, &self.current).map_err(|source| failed(&self.current, source))?;
        self.holds = Some(new);
        durable_file::sync_directory_of(&self.current).map_err(|source| failed(&self.current, source))
    }
}

fn read(path: &Path) -> Result<Option<Assignment>, DesiredStateError> {
    let contents = match std::fs::read(path) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(DesiredStateError::File { path: path.to_owned(), source }),
    };
    let header = || DesiredStateError::Header(path.to_owned());
    let rest = contents.strip_prefix(HEADER.as_bytes()).ok_or_else(header)?;
    let (checksum, rest) = rest.split_first_chunk::<8>().ok_or_else(header)?;
    let json = rest.strip_prefix(b"\n").ok_or_else(header)?;
    let checksum = std::str::from_utf8(checksum).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
    if checksum.ok_or_else(header)? != crc32c::crc32c(json) {
        return Err(DesiredStateError::Checksum(path.to_owned()));
    }
    let assignment: Assignment = serde_json::from_slice(json)
        .map_err(|source| DesiredStateError::Json { path: path.to_owned(), source })?;
    if assignment.state.is_intact() {
        Ok(Some(assignment))
    } else {
        Err(DesiredStateError::Digest(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn state(counter: i64) -> Assignment {
        let origin = Origin { node_id: uuid::Uuid::from_u128(1), authority: "one".to_owned() };
        let state = DesiredState::new(Revision { epoch: 1, counter }, Vec::new(), Vec::new()).unwrap();
        Assignment { origin: Some(origin), state }
    }

    fn load(directory: &Path) -> Loaded {
        DesiredStateStore::new(directory).load()
    }

    #[test]
    fn the_last_one_that_was_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        assert!(load(directory.path()).assignment.is_none());
        let mut store = DesiredStateStore::new(directory.path());
        for counter in 1..=3 {
            store.save(&state(counter)).unwrap();
        }
        let loaded = load(directory.path());
        assert_eq!(loaded.assignment, Some(state(3)));
        assert!(loaded.damage.is_empty());
        let mode = std::fs::metadata(directory.path().join("desired-state")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn damage_at_any_octet_falls_back_to_the_generation_before_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("desired-state");
        let mut store = DesiredStateStore::new(directory.path());
        store.save(&state(1)).unwrap();
        store.save(&state(2)).unwrap();
        let good = std::fs::read(&path).unwrap();
        for position in 0..good.len() {
            let mut damaged = good.clone();
            damaged[position] ^= 0x10;
            for contents in [damaged.as_slice(), &good[..position]] {
                std::fs::write(&path, contents).unwrap();
                let loaded = load(directory.path());
                assert_eq!(loaded.assignment, Some(state(1)), "octet {position}");
                assert!(loaded.damage[0].to_string().contains("desired-state"), "octet {position}");
            }
        }
    }

    #[test]
    fn a_damaged_current_one_never_replaces_the_good_previous_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("desired-state");
        let mut store = DesiredStateStore::new(directory.path());
        store.save(&state(1)).unwrap();
        store.save(&state(2)).unwrap();
        std::fs::write(&path, "damaged").unwrap();

        let mut store = DesiredStateStore::new(directory.path());
        assert_eq!(store.load().assignment, Some(state(1)));
        store.save(&state(3)).unwrap();
        std::fs::write(&path, "damaged again").unwrap();
        assert_eq!(load(directory.path()).assignment, Some(state(1)));
    }

    #[test]
    fn saving_what_is_stored_does_not_push_out_the_generation_before() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = DesiredStateStore::new(directory.path());
        store.save(&state(1)).unwrap();
        store.save(&state(2)).unwrap();
        let mut store = DesiredStateStore::new(directory.path());
        let restored = store.load().assignment.unwrap();
        store.save(&restored).unwrap();
        std::fs::write(directory.path().join("desired-state"), "damaged").unwrap();
        assert_eq!(load(directory.path()).assignment, Some(state(1)));
    }

    #[test]
    fn a_crash_between_the_two_renames_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = DesiredStateStore::new(directory.path());
        store.save(&state(1)).unwrap();
        let path = directory.path().join("desired-state");
        std::fs::rename(&path, directory.path().join("desired-state.previous")).unwrap();
        assert_eq!(load(directory.path()).assignment, Some(state(1)));
    }

    #[test]
    fn two_damaged_generations_are_both_named() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["desired-state", "desired-state.previous"] {
            std::fs::write(directory.path().join(name), "damaged").unwrap();
        }
        let loaded = load(directory.path());
        assert!(loaded.assignment.is_none());
        assert_eq!(loaded.damage.len(), 2);
    }
    #[test]
    fn a_file_without_an_origin_is_read_and_gets_one_without_pushing_out_the_generation_before() {
        let directory = tempfile::tempdir().unwrap();
        let without = |counter| Assignment { origin: None, ..state(counter) };
        let mut store = DesiredStateStore::new(directory.path());
        store.save(&without(1)).unwrap();
        store.save(&without(2)).unwrap();
        let text = std::fs::read_to_string(directory.path().join("desired-state")).unwrap();
        assert!(!text.contains("origin"), "{text}");

        let mut store = DesiredStateStore::new(directory.path());
        assert_eq!(store.load().assignment, Some(without(2)));
        store.save(&state(2)).unwrap();
        assert_eq!(load(directory.path()).assignment, Some(state(2)));
        std::fs::write(directory.path().join("desired-state"), "damaged").unwrap();
        assert_eq!(load(directory.path()).assignment, Some(without(1)));
    }
}
