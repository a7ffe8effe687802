//! What form of the checksum the other members of each group spoke, kept on disk.
//!
//! A Backup sends nothing, so an Active member that begins anew would not know which form its Backups
//! understand, and would send one that they drop. What was heard is taken from the dataplane's snapshots; the
//! dataplane gets it back before it is told to run anything. A file that cannot be read is none: then a group
//! begins as a new one does.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;
use uuid::Uuid;

use super::durable_file;
use super::overview::Overview;
use crate::messages::{GroupSnapshot, SpokenChecksums};

/// What is known, and where it is kept.
#[derive(Debug)]
pub(crate) struct SpokenChecksumsFile {
    path: PathBuf,
    spoken: SpokenChecksums,
    /// The groups that ran since the start. Of others it is not known that they are gone.
    seen: BTreeSet<Uuid>,
}

impl SpokenChecksumsFile {
    /// Reads what an earlier life has heard. Blocks for as long as the disk does.
    pub(crate) fn load(state_dir: &Path) -> Self {
        let path = state_dir.join("spoken-checksums.json");
        let read = || serde_json::from_slice(&std::fs::read(&path)?).map_err(io::Error::from);
        let spoken = read().unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                let path = path.display();
                tracing::warn!(%path, %error, "what checksums other members understand is not known");
            }
            SpokenChecksums::default()
        });
        Self { path, spoken, seen: BTreeSet::new() }
    }

    /// What is known.
    pub(crate) const fn spoken(&self) -> &SpokenChecksums {
        &self.spoken
    }

    /// Writes whatever is learned, until nobody tells anything any longer.
    pub(crate) async fn keep(mut self, mut overview: watch::Receiver<Overview>) {
        let mut written = true;
        while overview.changed().await.is_ok() {
            written &= !self.learn(&overview.borrow_and_update().snapshot.groups);
            if written {
                continue;
            }
            let saving = tokio::task::spawn_blocking(move || {
                let outcome = self.save();
                (self, outcome)
            });
            let Ok((returned, outcome)) = saving.await else { return };
            self = returned;
            if let Err(error) = &outcome {
                tracing::debug!(%error, "what checksums other members understand cannot be stored yet");
            }
            written = outcome.is_ok();
        }
    }

    fn save(&self) -> io::Result<()> {
        let contents = serde_json::to_vec(&self.spoken)?;
        durable_file::replace(&self.path, &contents, durable_file::PRIVATE)
    }

    /// Takes note of how things stand; true when that is news.
    fn learn(&mut self, groups: &[GroupSnapshot]) -> bool {
        let mut spoken = self.spoken.clone();
        let running: BTreeSet<_> = groups.iter().map(|group| group.desired.id).collect();
        spoken.0.retain(|group, _| running.contains(group) || !self.seen.contains(group));
        for group in groups {
            let heard = group.heard.iter().filter(|router| router.member.is_some());
            let forms: Vec<_> = heard.filter_map(|router| Some((router.source, router.checksum?))).collect();
            let members: BTreeSet<_> = group.desired.peers.iter().filter_map(|peer| peer.address).collect();
            let known = spoken.0.entry(group.desired.id).or_default();
            known.extend(forms);
            known.retain(|address, _| members.contains(address));
        }
        spoken.0.retain(|_, forms| !forms.is_empty());
        self.seen.extend(running);
        let is_news = spoken != self.spoken;
        self.spoken = spoken;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use api_types::agent_status::HeardRouter;
    use api_types::channel::DesiredPeer;
    use api_types::group::Checksum;
    use vrrp::Priority;

    use super::*;
    use crate::control::test_data;

    fn heard(last: u8, checksum: Checksum, member: bool) -> HeardRouter {
        HeardRouter {
            source: [192, 0, 2, last].into(),
            member: member.then(|| format!("host-{last}")),
            checksum: Some(checksum),
            ..test_data::heard(1)
        }
    }

    fn group(id: u128, heard: Vec<HeardRouter>) -> GroupSnapshot {
        let mut group = test_data::group();
        group.desired.id = Uuid::from_u128(id);
        group.desired.peers = [2, 3]
            .map(|last| DesiredPeer {
                name: format!("host-{last}").parse().unwrap(),
                address: Some([192, 0, 2, last].into()),
                priority: Priority::MIN,
                external: false,
            })
            .into();
        group.heard = heard;
        group
    }

    #[test]
    fn what_members_spoke_is_known_to_the_next_life_until_their_group_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = SpokenChecksumsFile::load(directory.path());
        let newer = heard(2, Checksum::Rfc9568, true);
        assert!(file.learn(&[group(1, vec![newer.clone(), heard(9, Checksum::Rfc9568, false)])]));
        assert!(!file.learn(&[group(1, vec![newer])]), "no news");
        assert!(!file.learn(&[group(1, Vec::new())]), "nobody has said anything else");
        file.save().unwrap();

        let mut next = SpokenChecksumsFile::load(directory.path());
        let known = next.spoken().0[&Uuid::from_u128(1)].clone();
        assert_eq!(known, [([192, 0, 2, 2].into(), Checksum::Rfc9568)].into());
        assert!(!next.learn(&[]), "before anything runs nothing is gone");
        assert!(next.learn(&[group(1, vec![heard(3, Checksum::Rfc5798, true)])]));
        assert_eq!(next.spoken().0[&Uuid::from_u128(1)].len(), 2);
        assert!(next.learn(&[]), "now it is");
        assert!(next.spoken().0.is_empty());
    }

    #[test]
    fn a_damaged_file_is_none() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("spoken-checksums.json"), "{").unwrap();
        let mut file = SpokenChecksumsFile::load(directory.path());
        assert!(file.spoken().0.is_empty());
        assert!(file.learn(&[group(1, vec![heard(2, Checksum::Rfc9568, true)])]));
        file.save().unwrap();
        assert_eq!(SpokenChecksumsFile::load(directory.path()).spoken(), file.spoken());
    }
}
