//! Where log lines go: to standard error, as text or JSON. `BATON_AGENT_LOG` says how much, `info` by
//! default.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Begins to log. A second call changes nothing.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_env_var("BATON_AGENT_LOG")
        .try_from_env()
        // It would write from the dataplane's thread, which says the same by a notice.
        .unwrap_or_else(|_| "info,netlink_proto=off".into());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // The only failure is that somebody logs already.
    drop(begun);
}
