//! What a check looks at, in a line.

use api_types::check::Probe;

/// `http http://127.0.0.1/health`, `process haproxy`.
pub(super) fn in_words(probe: &Probe) -> String {
    let what = match probe {
        Probe::Interface { interface } => interface.clone(),
        Probe::Tcp { address, port } => std::net::SocketAddr::new(*address, port.get()).to_string(),
        Probe::Http { url, .. } => url.to_string(),
        Probe::Process { process } => process.clone(),
        Probe::File { path } => path.clone(),
        Probe::Script { script } => script.to_string(),
    };
    format!("{} {what}", probe.kind())
}

/// What more an answer must be, where the probe asks for one.
pub(super) fn expectation(probe: &Probe) -> String {
    let Probe::Http { host, expected_status, body_match, verify_certificate, url } = probe else {
        return String::new();
    };
    let codes: Vec<_> = expected_status.iter().map(ToString::to_string).collect();
    let mut parts = vec![format!("status {}", codes.join(" or "))];
    parts.extend(body_match.as_ref().map(|pattern| format!("a body in which {pattern:?} is found")));
    parts.extend(host.as_ref().map(|host| format!("asked for as {host}")));
    if url.is_secure() && !verify_certificate {
        parts.push("with any certificate".to_owned());
    }
    parts.join(", ")
}
