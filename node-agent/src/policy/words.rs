//! The values of a policy: each says what it covers, and refuses what it cannot be.

use std::fmt;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use vrrp::Vrid;

/// The name of an interface, in which each `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfacePattern(String);

impl InterfacePattern {
    /// Whether it covers the interface called `name`.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let mut middle: Vec<_> = parts.collect();
        let Some(last) = middle.pop() else { return rest.is_empty() };
        let mut rest = rest;
        for part in middle {
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }
}

impl TryFrom<String> for InterfacePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_bad = |letter: char| letter == '/' || letter == ':' || letter.is_whitespace();
        if text.is_empty() || text.len() > 15 || text.contains(is_bad) {
            return Err(format!(
                "{text:?} is no name of an interface: allowed are 1 to 15 characters without /, : and white space, \
                 and * for any of them"
            ));
        }
        Ok(Self(text))
    }
}

/// A network, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Net(IpNet);

impl Net {
    /// Whether the address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl TryFrom<String> for Net {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let net = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let net: IpNet = net.ok_or_else(|| {
            format!(
                "{text:?} is no network: write it like \"192.0.2.0/24\", or an address like \"2001:db8::1\""
            )
        })?;
        let whole = net.trunc();
        if whole != net {
            return Err(format!("{text:?} has bits behind its prefix: write \"{whole}\""));
        }
        Ok(Self(net))
    }
}

/// A VRID, or a range of them with both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NumberOrText", into = "String")]
pub struct VridRange {
    first: u8,
    last: u8,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a VRID is a number like 51, or a range like \"1-99\"")]
enum NumberOrText {
    Number(i64),
    Text(String),
}

impl VridRange {
    /// Whether the virtual router is in it.
    #[must_use]
    pub fn contains(&self, vrid: Vrid) -> bool {
        (self.first..=self.last).contains(&vrid.get())
    }
}

impl TryFrom<NumberOrText> for VridRange {
    type Error = String;

    fn try_from(written: NumberOrText) -> Result<Self, String> {
        let text = match written {
            NumberOrText::Number(number) => number.to_string(),
            NumberOrText::Text(text) => text,
        };
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let number = |digits: &str| digits.trim().parse::<u8>().ok().filter(|number| *number > 0);
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!(
                "{text:?} is no VRID and no range of them: allowed are 1 to 255, and ranges like \"1-99\""
            )),
        }
    }
}

/// A file, or with a `/` at its end everything below a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowedPath(String);

impl AllowedPath {
    /// The directory that is trusted to be what it says, and the way from there to `path`; `None` when the path is not
    /// covered.
    pub(super) fn split(&self, path: &str) -> Option<(PathBuf, PathBuf)> {
        if !is_plain(path) || path.ends_with('/') {
            return None;
        }
        if self.0.ends_with('/') {
            let below = path.strip_prefix(&self.0).filter(|below| !below.is_empty())?;
            return Some((PathBuf::from(&self.0), PathBuf::from(below)));
        }
        let path = Path::new(path);
        (path == Path::new(&self.0)).then_some(())?;
        Some((path.parent()?.to_owned(), PathBuf::from(path.file_name()?)))
    }
}

impl TryFrom<String> for AllowedPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_plain(&text) { Ok(Self(text)) } else { Err(not_plain(&text)) }
    }
}

/// Where a program of this host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalProgramPath(String);

impl LocalProgramPath {
    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl TryFrom<String> for LocalProgramPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_plain(&text) && !text.ends_with('/') { Ok(Self(text)) } else { Err(not_plain(&text)) }
    }
}

/// Whether a path says where it leads without looking: absolute, and with nothing that goes back up.
pub(crate) fn is_plain(path: &str) -> bool {
    let names = |component: Component<'_>| matches!(component, Component::RootDir | Component::Normal(_));
    let written = path.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    // Between two slashes `Path` sees nothing, and takes a dot for nothing too.
    let has_names = |rest: &str| !rest.split('/').any(|name| name.is_empty() || name == ".");
    path.len() <= 4_096
        && !path.contains(char::is_control)
        && written.is_some_and(has_names)
        && Path::new(path).components().all(names)
}

fn not_plain(text: &str) -> String {
    format!("{text:?} is no absolute path: it must begin with /, and have no . or .. and no // in it")
}

macro_rules! as_written {
    ($type:ty, $this:ident => $shown:expr) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $this = self;
                f.write_str(&$shown)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}

as_written!(InterfacePattern, this => this.0);
as_written!(Net, this => this.0.to_string());
as_written!(AllowedPath, this => this.0);
as_written!(LocalProgramPath, this => this.0);
as_written!(VridRange, this => match *this {
    VridRange { first, last } if first == last => first.to_string(),
    VridRange { first, last } => format!("{first}-{last}"),
});
