//! The metrics of the server: one recorder for the process, rendered on request.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;

/// The bounds of the request durations, in seconds.
const DURATION_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder of the process, once.
pub fn install() {
    recorder();
}

fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER.get_or_init(make).as_ref()
}

fn make() -> Option<PrometheusHandle> {
    let duration = Matcher::Full("baton_http_request_duration_seconds".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(duration, &DURATION_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .inspect_err(|error| tracing::error!(%error, "there will be no metrics"))
        .ok()?;
    describe();
    metrics::gauge!("baton_server_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Some(handle)
}

fn describe() {
    metrics::describe_gauge!("baton_server_info", "The version of the server");
    metrics::describe_counter!("baton_http_requests_total", "Requests answered");
    metrics::describe_histogram!(
        "baton_http_request_duration_seconds",
        metrics::Unit::Seconds,
        "From the head of a request to the head of its answer"
    );
    metrics::describe_counter!("baton_refusals_total", "Attempts refused, by what was attempted");
    metrics::describe_counter!("baton_enrolments_total", "Agents that got an identity");
    metrics::describe_gauge!("baton_agent_sessions", "Sessions of agents with this server");
    metrics::describe_counter!(
        "baton_agent_sessions_ended_total",
        "Sessions of agents that ended, by reason"
    );
    metrics::describe_counter!("baton_desired_pushes_total", "Desired states sent to agents");
    metrics::describe_counter!("baton_fast_starts_total", "New groups that were told to begin at once");
    metrics::describe_counter!("baton_transitions_total", "Transitions recorded");
    metrics::describe_counter!("baton_failovers_total", "Failovers joined, by cause");
    metrics::describe_counter!("baton_switchovers_total", "Switchovers that came into each state");
    metrics::describe_gauge!(
        "baton_switchover_last_duration_seconds",
        metrics::Unit::Seconds,
        "From the request of the last switchover until its node was known to hold the addresses"
    );
    metrics::describe_gauge!("baton_db_pool_connections", "Connections to the database");
}

/// The metrics as text, with the state of the database pool as it is now.
#[must_use]
pub fn render(db: &PgPool) -> String {
    let Some(handle) = recorder() else { return String::new() };
    let idle = u32::try_from(db.num_idle()).unwrap_or(u32::MAX);
    metrics::gauge!("baton_db_pool_connections", "state" => "idle").set(idle);
    metrics::gauge!("baton_db_pool_connections", "state" => "used").set(db.size().saturating_sub(idle));
    handle.run_upkeep();
    handle.render()
}
