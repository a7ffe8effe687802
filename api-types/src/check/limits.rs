//! How long what a probe names may be, for those who write it and those who run it.

use super::Probe;

impl Probe {
    /// The most characters of a `body_match`.
    pub const MAX_BODY_MATCH_CHARS: usize = 500;
    /// The most octets that a `body_match` may take once it is compiled (`regex::bytes::RegexBuilder::size_limit`).
    pub const MAX_BODY_MATCH_OCTETS: usize = 256 * 1_024;
    /// The most octets of the name of a program.
    pub const MAX_PROCESS_OCTETS: usize = 255;
    /// The most octets of a path (`PATH_MAX` without the final NUL).
    pub const MAX_PATH_OCTETS: usize = 4_095;
}
