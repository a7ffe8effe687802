//! The objects of YAML files, each with the place it came from.
//!
//! A file is a stream of documents, a document is one object. Everything is read and checked by the types of
//! the contract before anything is sent, and every document that is wrong is named with file, line and field.

mod locate;
mod parse;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_types::manifest::Manifest;
use thiserror::Error;

pub(crate) use self::parse::SERVER_OWNED;
use crate::bounded_file::{self, Limit};

/// An object and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) manifest: Manifest,
    pub(crate) origin: Origin,
}

/// One document of one file.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    file: Arc<str>,
    text: Arc<str>,
    /// From 0.
    index: usize,
}

/// A place in a document, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    file: Arc<str>,
    /// From 1.
    document: usize,
    /// From 1.
    line: Option<usize>,
}

/// Why the files cannot be applied.
#[derive(Debug, Error)]
pub(crate) enum ManifestError {
    #[error("{source_name} cannot be read")]
    Read {
        source_name: String,
        #[source]
        source: io::Error,
    },
    #[error("{} has no file that ends in .yaml or .yml", .path.display())]
    EmptyDirectory { path: PathBuf },
    #[error("{source_name} holds no object: write one with `kind`, `name` and its fields")]
    Nothing { source_name: String },
    #[error("nothing was sent: {}", listed(.0))]
    Documents(Vec<Mistake>),
}

/// What is wrong in one place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {detail}")]
pub(crate) struct Mistake {
    pub(crate) place: Place,
    pub(crate) detail: String,
}

fn listed(mistakes: &[Mistake]) -> String {
    let lines: String = mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect();
    match mistakes.len() {
        1 => format!("one document is wrong{lines}"),
        many => format!("{many} documents are wrong{lines}"),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line} (document {})", self.file, self.document),
            None => write!(f, "{} (document {})", self.file, self.document),
        }
    }
}

impl Origin {
    /// Where the field of a JSON pointer stands, or the nearest thing around it that there is.
    pub(crate) fn place(&self, pointer: &str) -> Place {
        self.at(locate::line(&self.text, self.index, pointer))
    }

    fn at(&self, line: Option<usize>) -> Place {
        Place { file: Arc::clone(&self.file), document: self.index + 1, line }
    }
}

/// The objects of `sources` in the order in which they can be applied: segments, nodes, checks, groups, sync
/// groups.
///
/// A source is a file, `-` for standard input, or a directory, whose files that end in `.yaml` or `.yml` are
/// read in the order of their names, without those of directories in it. At most 4 MiB are read of a file.
///
/// # Errors
/// [`ManifestError`]; when documents are wrong, every one of them is named. Every source holds at least one.
pub(crate) fn read(sources: &[PathBuf]) -> Result<Vec<Document>, ManifestError> {
    let mut documents = Vec::new();
    let mut mistakes = Vec::new();
    let mut empty = None;
    for source in sources {
        let before = documents.len() + mistakes.len();
        for Text { file, text } in texts(source)? {
            parse::documents(&file, &text, &mut documents, &mut mistakes);
        }
        if documents.len() + mistakes.len() == before {
            empty = empty.or(Some(source));
        }
    }
    mistakes.extend(repeated(&documents));
    if !mistakes.is_empty() {
        return Err(ManifestError::Documents(mistakes));
    }
    if let Some(source) = empty {
        return Err(ManifestError::Nothing { source_name: name_of(source) });
    }
    // A stable sort: within a kind the order of the files stays.
    documents.sort_by_key(|document| rank(&document.manifest));
    Ok(documents)
}

/// A group names its segment, its nodes and its checks, so these come first.
const fn rank(manifest: &Manifest) -> u8 {
    match manifest {
        Manifest::Segment(_) => 0,
        Manifest::Node(_) => 1,
        Manifest::Check(_) => 2,
        Manifest::Group(_) => 3,
        Manifest::SyncGroup(_) => 4,
    }
}

/// The kind and the name of an object.
pub(crate) fn subject(manifest: &Manifest) -> (&'static str, &str) {
    match manifest {
        Manifest::Segment(spec) => ("segment", spec.name.as_str()),
        Manifest::Node(spec) => ("node", spec.name.as_str()),
        Manifest::Check(spec) => ("check", spec.name.as_str()),
        Manifest::Group(spec) => ("group", spec.name.as_str()),
        Manifest::SyncGroup(spec) => ("sync-group", spec.name.as_str()),
    }
}

/// The second of two documents for the same object would undo the first.
fn repeated(documents: &[Document]) -> Vec<Mistake> {
    let mut seen = BTreeMap::new();
    let mut mistakes = Vec::new();
    for document in documents {
        let subject @ (kind, name) = subject(&document.manifest);
        let place = document.origin.place("/name");
        if let Some(first) = seen.get(&subject) {
            let detail = format!("{kind} {name} is also at {first}: an object is written once");
            mistakes.push(Mistake { place, detail });
        } else {
            seen.insert(subject, place);
        }
    }
    mistakes
}

/// The content of a file and the name it is known by.
struct Text {
    file: Arc<str>,
    text: Arc<str>,
}

fn is_standard_input(source: &Path) -> bool {
    source == Path::new("-")
}

fn name_of(source: &Path) -> String {
    if is_standard_input(source) { "standard input".to_owned() } else { source.display().to_string() }
}

fn texts(source: &Path) -> Result<Vec<Text>, ManifestError> {
    let refuse = |path: &Path, source| ManifestError::Read { source_name: name_of(path), source };
    if is_standard_input(source) {
        let text = bounded_file::text_from(io::stdin().lock(), Limit::MANIFEST);
        let text = text.map_err(|error| refuse(source, error))?;
        return Ok(vec![Text { file: name_of(source).into(), text: text.into() }]);
    }
    let mut files = vec![source.to_owned()];
    if source.is_dir() {
        files = yaml_files(source).map_err(|error| refuse(source, error))?;
        if files.is_empty() {
            return Err(ManifestError::EmptyDirectory { path: source.to_owned() });
        }
    }
    let named = |file: PathBuf| {
        let text = bounded_file::text_of(&file, Limit::MANIFEST).map_err(|error| refuse(&file, error))?;
        Ok(Text { file: name_of(&file).into(), text: text.into() })
    };
    files.into_iter().map(named).collect()
}

fn yaml_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
