//! The rules of what a check looks at, field by field. What its host allows is decided there.
//!
//! Each answers why the value of a field cannot be, in a sentence; `None` when it can.

use std::net::IpAddr;

use api_types::check::Probe;
use regex::bytes::RegexBuilder;
use rustls_pki_types::ServerName;

use super::segment::is_link_local;

/// The most status codes, or ranges of them, that are good.
pub const MAX_STATUS_CODES: usize = 16;

/// Why nothing can be connected to at `address`.
#[must_use]
pub fn target_fault(address: IpAddr) -> Option<String> {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || is_broadcast {
        return Some(format!(
            "{address} is not the address of a host: allowed is one that can be connected to"
        ));
    }
    is_link_local(address).then(|| {
        format!(
            "{address} is link-local, and a check says no link: allowed is an address that is one by itself"
        )
    })
}

/// Why `host` is no name to ask for.
#[must_use]
pub fn host_fault(host: &str) -> Option<String> {
    let (name, port) = host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_port = |port: &str| {
        port.bytes().all(|octet| octet.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let fits = ServerName::try_from(name).is_ok() && port.is_none_or(is_port);
    (!fits).then(|| {
        let shown: String = host.chars().take(100).collect();
        format!("{shown:?} is not the name of a host: allowed is one of DNS, and where wanted ':' and a port")
    })
}

/// Why `pattern` is no regular expression that agents look for. They compile it with the same limits.
#[must_use]
pub fn body_match_fault(pattern: &str) -> Option<String> {
    let length = pattern.chars().count();
    if length == 0 || length > Probe::MAX_BODY_MATCH_CHARS {
        let most = Probe::MAX_BODY_MATCH_CHARS;
        return Some(format!("it has {length} characters: allowed are 1 to {most}"));
    }
    if pattern.contains('\0') {
        return Some("it holds the character U+0000: allowed is text without it".to_owned());
    }
    let error = RegexBuilder::new(pattern).size_limit(Probe::MAX_BODY_MATCH_OCTETS).build().err()?;
    if let regex::Error::CompiledTooBig(most) = error {
        return Some(format!(
            "it would take more than {most} octets once compiled: allowed is a smaller one"
        ));
    }
    // The last line says what is wrong; those before it draw where.
    let text = error.to_string();
    let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    Some(format!(
        "it is not a regular expression ({why}): allowed is what the Rust crate `regex` reads, which has no \
         look-around and no backreferences"
    ))
}

/// Why no program can be called `name`.
#[must_use]
pub fn process_fault(name: &str) -> Option<String> {
    let most = Probe::MAX_PROCESS_OCTETS;
    let fits = (1..=most).contains(&name.len()) && !name.contains('/') && !name.contains(char::is_control);
    (!fits).then(|| {
        format!("{name:?} is not the name of a program: allowed are 1 to {most} octets, no '/' among them")
    })
}

/// Why no file can be at `path`, or not only there.
#[must_use]
pub fn path_fault(path: &str) -> Option<String> {
    let most = Probe::MAX_PATH_OCTETS;
    let parts = path.strip_prefix('/').map(|rest| rest.split('/'));
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    let fits = path.len() <= most && parts.is_some_and(|mut parts| parts.all(is_plain));
    (!fits).then(|| {
        let shown: String = path.chars().take(100).collect();
        format!(
            "{shown:?} is not the path of a file: allowed is an absolute one of at most {most} octets without '.', \
             '..' and empty parts"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host() {
        for good in ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "169.254.1.1"] {
            assert_eq!(target_fault(good.parse().unwrap()), None, "{good}");
        }
        for bad in ["0.0.0.0", "::", "224.0.0.18", "ff02::12", "255.255.255.255", "fe80::1"] {
            assert!(target_fault(bad.parse().unwrap()).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_a_name_and_never_a_header() {
        for good in ["a", "www.example.org", "my_app", "192.0.2.1", "www.example.org:8080", &"a".repeat(63)] {
            assert_eq!(host_fault(good), None, "{good}");
        }
        for bad in ["", ".", "a..b", "a b", "a:0", "a:x", "a:+1", "-a", "a\r\nX: y", "ä", &"a".repeat(64)] {
            assert!(host_fault(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn a_body_match_is_what_agents_can_compile() {
        for good in ["OK", "^\\{\"status\":\\s*\"(ok|up)\"", "ä", &"a".repeat(500)] {
            assert_eq!(body_match_fault(good), None, "{good}");
        }
        let said = |pattern: &str| body_match_fault(pattern).unwrap();
        assert!(said("(").contains("unclosed group"), "{}", said("("));
        assert!(said("(?=x)").contains("look-around"), "{}", said("(?=x)"));
        assert!(said("(?:\\w{1000}){500}").contains("once compiled"), "{}", said("(?:\\w{1000}){500}"));
        assert_eq!(said(""), "it has 0 characters: allowed are 1 to 500");
        assert_eq!(said(&"ä".repeat(501)), "it has 501 characters: allowed are 1 to 500");
        assert!(said("a\0").contains("U+0000"));
    }

    #[test]
    fn programs_and_files_are_named_one_way() {
        for good in ["haproxy", "my app", "ä", &"a".repeat(255)] {
            assert_eq!(process_fault(good), None, "{good}");
        }
        for bad in ["", "/usr/sbin/haproxy", "a\nb", "a\0", &"a".repeat(256)] {
            assert!(process_fault(bad).is_some(), "{bad:?}");
        }
        for good in ["/run/up", "/a", "/run/...", "/run/ä b"] {
            assert_eq!(path_fault(good), None, "{good}");
        }
        let long = format!("/{}", "a".repeat(4_095));
        let bad = ["", "/", "run/up", "/run/../etc", "/run/./x", "/run//x", "/run/", "/a\0", "/..", &long];
        for bad in bad {
            assert!(path_fault(bad).is_some(), "{bad:?}");
        }
    }
}
