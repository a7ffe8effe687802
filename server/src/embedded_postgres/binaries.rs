//! Where the distribution keeps the programs of Postgres, and which version they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

/// Where Debian and its kin keep each major version.
const VERSIONED: &str = "/usr/lib/postgresql";

/// The programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    dir: PathBuf,
    /// The major version, as `PG_VERSION` in a data directory names it.
    pub(super) major: String,
}

/// Why there are no programs to use.
#[derive(Debug, Error)]
pub enum BinariesError {
    /// Postgres is not installed.
    #[error(
        "there is no Postgres on this machine: install it (Debian: apt install postgresql) or set database.url"
    )]
    Missing,
    /// The data was written by another major version.
    #[error(
        "the data is of Postgres {data}, but only {installed} is installed: install Postgres {data} again, \
         or move the data with pg_dump of {data} and psql of the new version"
    )]
    OtherVersion {
        /// The version of the data.
        data: String,
        /// The versions that are there.
        installed: String,
    },
}

impl Binaries {
    /// The path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn in_dir(dir: PathBuf) -> Option<Self> {
        let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
        let major = major(&String::from_utf8(output.stdout).ok()?)?;
        dir.join("initdb").is_file().then_some(Self { dir, major })
    }
}

/// The programs for data of version `data`, or the newest when there is no data yet.
pub(super) fn find(given: Option<&Path>, data: Option<&str>) -> Result<Binaries, BinariesError> {
    let mut found: Vec<Binaries> = match given {
        Some(dir) => Binaries::in_dir(dir.to_owned()).into_iter().collect(),
        None => candidates().into_iter().filter_map(Binaries::in_dir).collect(),
    };
    // Of one version the first that was found: where the distribution keeps it.
    found.sort_by_key(|binaries| binaries.major.parse::<u32>().ok());
    found.dedup_by(|later, first| later.major == first.major);
    if found.is_empty() {
        return Err(BinariesError::Missing);
    }
    let installed = || found.iter().map(|binaries| binaries.major.as_str()).collect::<Vec<_>>().join(", ");
    match data {
        None => found.pop().ok_or(BinariesError::Missing),
        Some(data) => found
            .iter()
            .find(|binaries| binaries.major == data)
            .cloned()
            .ok_or_else(|| BinariesError::OtherVersion { data: data.to_owned(), installed: installed() }),
    }
}

fn candidates() -> Vec<PathBuf> {
    let versioned = fs::read_dir(VERSIONED).into_iter().flatten().flatten();
    let mut dirs: Vec<PathBuf> = versioned.map(|entry| entry.path().join("bin")).collect();
    let configured = Command::new("pg_config").arg("--bindir").output().ok();
    dirs.extend(
        configured
            .and_then(|output| String::from_utf8(output.stdout).ok())
            .map(|text| PathBuf::from(text.trim()))
            .filter(|dir| !dir.as_os_str().is_empty()),
    );
    dirs.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let mut unique = Vec::new();
    for dir in dirs.into_iter().filter(|dir| dir.join("postgres").is_file()) {
        if !unique.contains(&dir) {
            unique.push(dir);
        }
    }
    unique
}

/// `15` from `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn major(version: &str) -> Option<String> {
    let number = version.split(") ").nth(1)?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_program_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n").as_deref(), Some("15"));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n").as_deref(), Some("18"));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn data_of_another_version_is_refused_with_the_way_out() {
        let error = find(None, Some("9")).expect_err("nobody has version 9");
        assert!(error.to_string().contains("install Postgres 9 again"), "{error}");
        assert!(matches!(find(Some(Path::new("/nonexistent")), None), Err(BinariesError::Missing)));
    }
}
