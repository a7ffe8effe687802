//! A policy as it is read from its file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::User;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::trust::{self, Untrusted};
use super::{Policy, Program};

/// The shortest interval of the protocol and the longest, in milliseconds.
const INTERVALS: std::ops::RangeInclusive<u32> = 10..=255_000;
/// The longest argument of a program, in octets, and how many there may be.
const MAX_ARGUMENT: usize = 4_096;
const MAX_ARGUMENTS: usize = 64;

/// Why there is no policy.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The file could not be read.
    #[error("cannot read the policy {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could change what it says.
    #[error("the policy {path} cannot be used")]
    Untrusted {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Untrusted,
    },
    /// The file is not what is allowed; the source shows the line.
    #[error("the policy {path} cannot be used")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A field is well-formed, and yet cannot be used on this host.
    #[error("the policy {path} cannot be used: line {line}: {field}: {detail}")]
    Field {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
        /// Which field.
        field: String,
        /// What is wrong, and what is allowed.
        detail: String,
    },
}

/// Where in the file that stands which is judged by what the host is like.
#[derive(Deserialize)]
struct Places {
    minimum_interval_ms: Option<Spanned<u32>>,
    #[serde(default)]
    scripts: BTreeMap<String, ProgramPlace>,
    #[serde(default)]
    hooks: BTreeMap<String, ProgramPlace>,
}

#[derive(Deserialize)]
struct ProgramPlace {
    path: Spanned<String>,
    user: Option<Spanned<String>>,
}

pub(super) fn load(path: &Path) -> Result<Policy, PolicyError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Policy::default()),
        Ok(_) | Err(_) => {}
    }
    trust::of_file(path).map_err(|source| PolicyError::Untrusted { path: path.to_owned(), source })?;
    let text =
        fs::read_to_string(path).map_err(|source| PolicyError::Read { path: path.to_owned(), source })?;
    let parse = |source| PolicyError::Parse { path: path.to_owned(), source: Box::new(source) };
    let policy: Policy = toml::from_str(&text).map_err(parse)?;
    let places: Places = toml::from_str(&text).map_err(parse)?;
    let judge = Judge { path, text: &text };
    if let Some(minimum) = &places.minimum_interval_ms
        && !INTERVALS.contains(minimum.get_ref())
    {
        let detail = format!("{} is no interval: allowed are 10 to 255000", minimum.get_ref());
        return Err(judge.refuse(minimum, "minimum_interval_ms".to_owned(), detail));
    }
    let scripts = places.scripts.iter().map(|place| ("scripts", place, &policy.scripts));
    let hooks = places.hooks.iter().map(|place| ("hooks", place, &policy.hooks));
    for (table, (name, place), programs) in scripts.chain(hooks) {
        let program = programs.iter().find(|(known, _)| known.as_str() == name);
        if let Some((_, program)) = program {
            judge.judge(&format!("{table}.{name}"), place, program)?;
        }
    }
    Ok(policy)
}

struct Judge<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Judge<'_> {
    fn judge(&self, name: &str, place: &ProgramPlace, program: &Program) -> Result<(), PolicyError> {
        let refuse = |field: &str, detail| self.refuse(&place.path, format!("{name}.{field}"), detail);
        trust::of_program(program.path.as_path()).map_err(|error| refuse("path", error.to_string()))?;
        let is_bad = |argument: &String| argument.len() > MAX_ARGUMENT || argument.contains('\0');
        if program.args.len() > MAX_ARGUMENTS || program.args.iter().any(is_bad) {
            let detail = format!(
                "allowed are at most {MAX_ARGUMENTS}, each of at most {MAX_ARGUMENT} octets without NUL"
            );
            return Err(refuse("args", detail));
        }
        if let Some(user) = &place.user
            && !matches!(User::from_name(user.get_ref()), Ok(Some(_)))
        {
            let detail = format!("there is no user {:?} on this host", user.get_ref());
            return Err(self.refuse(user, format!("{name}.user"), detail));
        }
        Ok(())
    }

    fn refuse<T>(&self, place: &Spanned<T>, field: String, detail: String) -> PolicyError {
        let before = self.text.get(..place.span().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        PolicyError::Field { path: self.path.to_owned(), line, field, detail }
    }
}
