//! Files that others name: read as text, and never more of them than a limit.
//!
//! A path may lead to a device or a pipe that never ends.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The most that is read of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    octets: u64,
    /// For messages: `4 KiB`.
    name: &'static str,
}

impl Limit {
    /// For what holds one API token.
    pub(crate) const TOKEN: Self = Self { octets: 4 << 10, name: "4 KiB" };
    /// For the configuration, and for certificates.
    pub(crate) const SETTINGS: Self = Self { octets: 1 << 20, name: "1 MiB" };
    /// For one file of manifests.
    pub(crate) const MANIFEST: Self = Self { octets: 4 << 20, name: "4 MiB" };
}

/// The text of the file at `path`.
///
/// # Errors
/// As [`text_from`], and when the file cannot be opened.
pub(crate) fn text_of(path: &Path, limit: Limit) -> io::Result<String> {
    text_from(File::open(path)?, limit)
}

/// All that `source` holds.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] when it holds more than `limit`, [`io::ErrorKind::InvalidData`] when it is
/// no UTF-8, and whatever stands in the way of reading it.
pub(crate) fn text_from(source: impl Read, limit: Limit) -> io::Result<String> {
    let mut octets = Vec::new();
    let read = source.take(limit.octets + 1).read_to_end(&mut octets)?;
    if u64::try_from(read).is_ok_and(|read| read > limit.octets) {
        let said = format!("it holds more than {}, the most that is read", limit.name);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, said));
    }
    String::from_utf8(octets)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused_and_what_fills_the_limit_is_read() {
        for limit in [Limit::TOKEN, Limit::SETTINGS, Limit::MANIFEST] {
            let refused = text_of(Path::new("/dev/zero"), limit).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
            assert!(refused.to_string().contains(limit.name), "{refused}");
            let full = text_from(io::repeat(b'a').take(limit.octets), limit).unwrap();
            assert_eq!(u64::try_from(full.len()).unwrap(), limit.octets);
        }
        let refused = text_from(io::repeat(0xff).take(10), Limit::TOKEN).unwrap_err();
        assert_eq!(refused.to_string(), "it is no text in UTF-8");
    }
}
