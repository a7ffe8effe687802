//! Reads the body of a check.

use std::net::{IpAddr, Ipv4Addr};

use api_types::check::{CheckInterval, CheckSpec, CheckTimeout, HttpUrl, Probe, Runs, StatusCodes};
use serde::Deserialize;

use crate::domain::check::{self, MAX_STATUS_CODES};
use crate::domain::faults::{Faults, check_description};
use crate::domain::interface_name;
use crate::http::canonical::Canonical;
use crate::http::fields::{Fields, FromFields};

impl FromFields for CheckSpec {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name");
        let description = fields.optional("description", String::new);
        if let Some(description) = &description {
            let mut faults = Faults::default();
            check_description(description, &mut faults);
            fields.refuse_all(faults.into_fields());
        }
        let probe = fields.object("probe");
        let interval = fields.optional("interval_ms", CheckInterval::default);
        let timeout = fields.optional("timeout_ms", CheckTimeout::default);
        let rise = fields.optional("rise", Runs::default);
        let fall = fields.optional("fall", Runs::default);
        Some(Self {
            name: name?,
            description: description?,
            probe: probe?,
            interval_ms: interval?,
            timeout_ms: timeout?,
            rise: rise?,
            fall: fall?,
        })
    }
}

/// The kinds of probes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProbeKind {
    Interface,
    Tcp,
    Http,
    Process,
    File,
    Script,
}

/// The fields that any kind of probe has.
const FIELDS: [&str; 11] = [
    "interface",
    "address",
    "port",
    "url",
    "host",
    "expected_status",
    "body_match",
    "verify_certificate",
    "process",
    "path",
    "script",
];

impl FromFields for Probe {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let Some(kind) = fields.required("kind") else {
            fields.skip(&FIELDS);
            return None;
        };
        Some(match kind {
            ProbeKind::Interface => {
                Self::Interface { interface: text(fields, "interface", interface_name::fault)? }
            }
            ProbeKind::Tcp => tcp(fields)?,
            ProbeKind::Http => http(fields)?,
            ProbeKind::Process => Self::Process { process: text(fields, "process", check::process_fault)? },
            ProbeKind::File => Self::File { path: text(fields, "path", check::path_fault)? },
            ProbeKind::Script => Self::Script { script: fields.required("script")? },
        })
    }
}

fn tcp(fields: &mut Fields<'_>) -> Option<Probe> {
    let localhost = || Canonical(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let address = fields.optional("address", localhost).map(|Canonical(address)| address);
    let address =
        address.and_then(|address| accepted(fields, "address", address, check::target_fault(address)));
    let port = fields.required("port");
    Some(Probe::Tcp { address: address?, port: port? })
}

fn http(fields: &mut Fields<'_>) -> Option<Probe> {
    let url: Option<HttpUrl> = fields.required("url");
    let url = url.and_then(|url| {
        let fault = check::target_fault(url.address());
        accepted(fields, "url", url, fault)
    });
    let host = text_if_present(fields, "host", check::host_fault);
    let expected: Option<Option<Vec<Option<StatusCodes>>>> =
        fields.list_draft_if_present("expected_status", 1..=MAX_STATUS_CODES);
    let body_match = text_if_present(fields, "body_match", check::body_match_fault);
    let verify_certificate = fields.optional("verify_certificate", || true);
    let expected_status = match expected? {
        Some(listed) => listed.into_iter().collect::<Option<_>>()?,
        None => vec![StatusCodes::SUCCESS],
    };
    Some(Probe::Http {
        url: url?,
        host: host?,
        expected_status,
        body_match: body_match?,
        verify_certificate: verify_certificate?,
    })
}

/// The text `name`, which must be there and keep a rule.
fn text(
    fields: &mut Fields<'_>,
    name: &'static str,
    fault: impl FnOnce(&str) -> Option<String>,
) -> Option<String> {
    let text: String = fields.required(name)?;
    let fault = fault(&text);
    accepted(fields, name, text, fault)
}

/// The text `name`, which keeps a rule where it is there.
fn text_if_present(
    fields: &mut Fields<'_>,
    name: &'static str,
    fault: impl FnOnce(&str) -> Option<String>,
) -> Option<Option<String>> {
    let Some(text) = fields.present::<String>(name)? else { return Some(None) };
    let fault = fault(&text);
    accepted(fields, name, Some(text), fault)
}

fn accepted<T>(fields: &mut Fields<'_>, name: &str, value: T, fault: Option<String>) -> Option<T> {
    match fault {
        Some(fault) => {
            fields.refuse(name, fault);
            None
        }
        None => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::http::fields::read;

    fn faults(probe: Value) -> Vec<String> {
        match read::<CheckSpec>(json!({"name": "x", "probe": probe})) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| error.pointer).collect(),
        }
    }

    #[test]
    fn a_check_is_read_as_the_contract_reads_it() {
        for probe in [
            json!({"kind": "interface", "interface": "eth1"}),
            json!({"kind": "tcp", "port": 5432}),
            json!({"kind": "tcp", "address": "2001:db8::1", "port": 1}),
            json!({"kind": "http", "url": "http://127.0.0.1/health"}),
            json!({"kind": "http", "url": "https://192.0.2.1:8443/", "host": "www.example.org", "body_match": "^ok",
                   "expected_status": ["204", "200-399"], "verify_certificate": false}),
            json!({"kind": "process", "process": "haproxy"}),
            json!({"kind": "file", "path": "/run/up"}),
            json!({"kind": "script", "script": "postgres-is-primary"}),
        ] {
            let body = json!({"name": "x", "probe": probe, "rise": 3});
            let spec: CheckSpec = serde_json::from_value(body.clone()).unwrap();
            assert_eq!(read::<CheckSpec>(body), Ok(spec));
        }
    }

    #[test]
    fn every_bad_field_of_a_probe_is_listed_and_none_that_another_kind_has_is_let_pass() {
        let cases = [
            (json!({}), vec!["/probe/kind"]),
            (json!({"kind": "exec", "command": "reboot"}), vec!["/probe/kind", "/probe/command"]),
            (json!({"kind": "interface", "interface": "a b"}), vec!["/probe/interface"]),
            (json!({"kind": "tcp", "address": "0.0.0.0", "port": 0}), vec!["/probe/address", "/probe/port"]),
            (json!({"kind": "tcp", "address": "localhost", "port": 1}), vec!["/probe/address"]),
            (json!({"kind": "tcp", "address": "2001:DB8::1"}), vec!["/probe/address", "/probe/port"]),
            (
                json!({"kind": "http", "url": "http://localhost/", "host": "a b", "body_match": "(",
                       "expected_status": ["200", 204, "2xx", "204-204"], "verify_certificate": 1}),
                vec![
                    "/probe/url",
                    "/probe/host",
                    "/probe/expected_status/1",
                    "/probe/expected_status/2",
                    "/probe/expected_status/3",
                    "/probe/body_match",
                    "/probe/verify_certificate",
                ],
            ),
            (
                json!({"kind": "http", "url": "http://127.0.0.1", "expected_status": []}),
                vec!["/probe/expected_status"],
            ),
            (json!({"kind": "process", "process": "/bin/sh"}), vec!["/probe/process"]),
            (json!({"kind": "file", "path": "/run/../etc/shadow"}), vec!["/probe/path"]),
            (json!({"kind": "script", "script": "/bin/sh"}), vec!["/probe/script"]),
            (json!({"kind": "script", "script": "x", "args": ["-c"]}), vec!["/probe/args"]),
            (json!({"kind": "file", "path": "/run/up", "port": 1}), vec!["/probe/port"]),
        ];
        for (probe, wanted) in cases {
            assert_eq!(faults(probe.clone()), wanted, "{probe}");
        }
        assert_eq!(faults(json!("http")), ["/probe"]);
    }
}
