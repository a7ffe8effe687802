//! What a check looks at. Nothing here is a command line: what runs on a host is declared on that host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Name;

/// What a check looks at, on the host of each member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// Passes while an interface is up and has a carrier.
    Interface {
        /// Its name on the host.
        #[cfg_attr(feature = "openapi", schema(example = "eth1"))]
        interface: String,
    },
    /// Passes when a TCP connection is made.
    Tcp {
        /// Where to; 127.0.0.1 by default. The host's policy says which addresses are allowed: without one, those of
        /// the host itself.
        #[serde(default = "localhost")]
        #[cfg_attr(feature = "openapi", schema(value_type = String, default = "127.0.0.1"))]
        address: IpAddr,
        /// The port, 1 to 65,535.
        #[cfg_attr(feature = "openapi", schema(value_type = u16, minimum = 1, maximum = 65_535))]
        port: Port,
    },
    /// Passes when a GET request is answered as expected. Redirects are not followed.
    Http {
        /// `http://` or `https://`, an address, and where it is not usual a port and a path. A name is none: what it
        /// stands for could change.
        #[cfg_attr(feature = "openapi", schema(value_type = String, example = "http://127.0.0.1:8080/health"))]
        url: HttpUrl,
        /// The name to ask for: the Host header, and the name in the certificate. Without it, the address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(example = "www.example.org"))]
        host: Option<String>,
        /// Which status codes are good: single ones ("204") and ranges ("200-399"). 1 to 16.
        #[serde(default = "success")]
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, min_items = 1, max_items = 16, default = json!(["200-299"])))]
        expected_status: Vec<StatusCodes>,
        /// A regular expression (in the syntax of Rust's `regex`, which has no look-around and no backreferences) that
        /// must be found in the first 64 KiB of the body. 1 to 500 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 500))]
        body_match: Option<String>,
        /// Whether the certificate of an `https` server must be valid.
        #[serde(default = "yes")]
        #[cfg_attr(feature = "openapi", schema(default = true))]
        verify_certificate: bool,
    },
    /// Passes while a process runs.
    Process {
        /// The name of its program: the last part of the path of its executable, or what it calls itself in
        /// `/proc/PID/comm`. 1 to 255 characters without `/`.
        #[cfg_attr(feature = "openapi", schema(example = "haproxy"))]
        process: String,
    },
    /// Passes while a file exists. Which ones may be looked at stands in the host's policy.
    File {
        /// Its absolute path.
        #[cfg_attr(feature = "openapi", schema(example = "/run/service-is-up"))]
        path: String,
    },
    /// Passes when a program ends with status 0. The host's policy declares which program has this name.
    Script {
        /// The name.
        #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "postgres-is-primary"))]
        script: Name,
    },
}

impl Probe {
    /// The word for its kind in JSON, columns and logs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Interface { .. } => "interface",
            Self::Tcp { .. } => "tcp",
            Self::Http { .. } => "http",
            Self::Process { .. } => "process",
            Self::File { .. } => "file",
            Self::Script { .. } => "script",
        }
    }
}

const fn localhost() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn success() -> Vec<StatusCodes> {
    vec![StatusCodes::SUCCESS]
}

const fn yes() -> bool {
    true
}

/// A TCP port: 1 to 65,535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u16")]
pub struct Port(NonZeroU16);

/// The number is no port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a port: allowed are 1 to 65535")]
pub struct PortError(i64);

impl Port {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl TryFrom<i64> for Port {
    type Error = PortError;

    fn try_from(number: i64) -> Result<Self, PortError> {
        let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
        port.map(Self).ok_or(PortError(number))
    }
}

impl From<Port> for u16 {
    fn from(port: Port) -> Self {
        port.get()
    }
}

/// A status code of HTTP, or a range of them, both ends included: 100 to 599 (RFC 9110 §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatusCodes {
    first: u16,
    last: u16,
}

/// The text is no status code and no range of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a status code or a range of them: allowed are 100 to 599, as \"204\" or \"200-399\"")]
pub struct StatusCodesError(String);

impl StatusCodes {
    /// 200 to 299.
    pub const SUCCESS: Self = Self { first: 200, last: 299 };

    /// Whether the code is one of them.
    #[must_use]
    pub const fn contain(self, code: u16) -> bool {
        self.first <= code && code <= self.last
    }
}

impl TryFrom<String> for StatusCodes {
    type Error = StatusCodesError;

    fn try_from(text: String) -> Result<Self, StatusCodesError> {
        let code = |digits: &str| {
            let is_number = digits.len() == 3 && digits.bytes().all(|octet| octet.is_ascii_digit());
            digits.parse().ok().filter(|code| is_number && (100..=599).contains(code))
        };
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (code(first), code(last)) {
            (Some(first), Some(last)) if first < last || !text.contains('-') => Ok(Self { first, last }),
            _ => Err(StatusCodesError(text)),
        }
    }
}

impl fmt::Display for StatusCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

impl From<StatusCodes> for String {
    fn from(codes: StatusCodes) -> Self {
        codes.to_string()
    }
}

/// Where a check asks by HTTP: the scheme, an address, a port and a path with its query.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl {
    secure: bool,
    address: IpAddr,
    port: Option<Port>,
    path: String,
}

/// The text is no URL that a check can ask.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not the URL of a check ({why}): allowed is http:// or https://, an IP address, and where wanted \
         a port and a path"
)]
pub struct HttpUrlError {
    text: String,
    why: &'static str,
}

impl HttpUrl {
    /// The longest one, in octets.
    pub const MAX_OCTETS: usize = 2_000;

    /// Whether it is asked over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Where it connects to.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The port: the one that is written, or 80 or 443.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match (self.port, self.secure) {
            (Some(port), _) => port.get(),
            (None, true) => 443,
            (None, false) => 80,
        }
    }

    /// The path with its query, beginning with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }

    /// What the Host header says where no other name is given (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        let host = match self.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        self.port.map_or(host.clone(), |port| format!("{host}:{}", port.get()))
    }
}

impl FromStr for HttpUrl {
    type Err = HttpUrlError;

    fn from_str(text: &str) -> Result<Self, HttpUrlError> {
        let refused = |why| HttpUrlError { text: text.chars().take(200).collect(), why };
        if text.len() > Self::MAX_OCTETS {
            return Err(refused("it is longer than 2000 characters"));
        }
        let (secure, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => return Err(refused("it begins with neither http:// nor https://")),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if path.contains('#') || !(path.is_empty() || path.starts_with('/')) {
            return Err(refused("behind the address stands no path"));
        }
        if !path.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(refused("the path has characters that must be percent-encoded"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, digits)) if !digits.contains(']') => {
                let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
                let number = digits.parse::<u16>().ok().filter(|_| is_number && !digits.starts_with('0'));
                let port = number.and_then(NonZeroU16::new).ok_or(refused("the port is not 1 to 65535"))?;
                (host, Some(Port(port)))
            }
            Some(_) | None => (authority, None),
        };
        let address = match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
            Some(inner) => inner.and_then(|inner| inner.parse().ok()).map(IpAddr::V6),
            None => host.parse().ok().map(IpAddr::V4),
        };
        let address =
            address.ok_or(refused("the host is not an IP address; an IPv6 address stands in []"))?;
        let url = Self { secure, address, port, path: path.to_owned() };
        if url.to_string() == text { Ok(url) } else { Err(refused("the address is not written as usual")) }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.secure { "https" } else { "http" }, self.authority(), self.path)
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = HttpUrlError;

    fn try_from(text: String) -> Result<Self, HttpUrlError> {
        text.parse()
    }
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_an_address_and_is_written_one_way() {
        let good = [
            ("http://127.0.0.1", false, "127.0.0.1", 80, "/"),
            ("http://127.0.0.1/", false, "127.0.0.1", 80, "/"),
            ("https://192.0.2.1:8443/health?full=1", true, "192.0.2.1", 8_443, "/health?full=1"),
            ("https://[2001:db8::1]/x", true, "2001:db8::1", 443, "/x"),
            ("http://[::1]:81", false, "::1", 81, "/"),
        ];
        for (text, secure, address, port, path) in good {
            let url: HttpUrl = text.parse().unwrap();
            assert_eq!((url.is_secure(), url.port(), url.path()), (secure, port, path), "{text}");
            assert_eq!(url.address(), address.parse::<IpAddr>().unwrap());
            assert_eq!(url.to_string(), text);
        }
        assert_eq!("http://[::1]:81".parse::<HttpUrl>().unwrap().authority(), "[::1]:81");
        let bad = [
            "",
            "127.0.0.1",
            "ftp://127.0.0.1",
            "http://",
            "http://localhost/",
            "http://127.0.0.1:0",
            "http://127.0.0.1:080",
            "http://127.0.0.1:",
            "http://127.0.0.1:65536",
            "http://127.0.0.1:x",
            "http://user@127.0.0.1/",
            "http://::1/",
            "http://[::1",
            "http://127.1/",
            "http://[2001:DB8::1]/",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/#top",
            "http://127.0.0.1?x",
            "http://127.0.0.1/\r\nHost: x",
        ];
        for text in bad {
            assert!(text.parse::<HttpUrl>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn status_codes_are_one_or_a_range() {
        let codes = |text: &str| StatusCodes::try_from(text.to_owned());
        let range = codes("200-399").unwrap();
        assert!(range.contain(200) && range.contain(399) && !range.contain(400) && !range.contain(199));
        assert_eq!(codes("204").unwrap().to_string(), "204");
        for bad in [
            "",
            "20",
            "2000",
            "204-204",
            "099",
            "600",
            "399-200",
            "200-",
            "-200",
            "2xx",
            "+20",
            "200-299-300",
        ] {
            assert!(codes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_port_is_1_to_65535() {
        for (number, fits) in [(0, false), (1, true), (65_535, true), (65_536, false), (-1, false)] {
            assert_eq!(Port::try_from(number).is_ok(), fits, "{number}");
        }
    }
}
