//! Prometheus metrics over HTTP, where the configuration asks for them.
//!
//! Each scrape is computed from what control knows at that moment, so a group that is gone leaves no series
//! behind. Names end in their unit, counters in `_total`; the labels of a group are `group`, `vrid`,
//! `interface`, `family`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use api_types::agent_status::JournalStatus;
use api_types::fences::FenceState;
use api_types::timing::Timing;
use api_types::transition::State;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::{Label, counter, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;

use super::checks::Standing;
use super::clock;
use super::overview::{LastTransition, Overview};
use crate::messages::{DroppedPackets, GroupSnapshot};

/// How long a client may take to send its request.
const REQUEST: Duration = Duration::from_secs(5);
/// How often a listener that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Answers scrapes until it is dropped.
pub(crate) async fn serve(
    listen: SocketAddr,
    read: impl Fn() -> (Overview, JournalStatus) + Clone + Send + 'static,
) {
    let listener = loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => break listener,
            Err(error) => tracing::error!(%listen, %error, "metrics cannot be served"),
        }
        tokio::time::sleep(RETRY).await;
    };
    tracing::info!(%listen, "metrics are served");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let read = read.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = respond(&request, &read);
                async move { Ok::<_, Infallible>(response) }
            });
            // A client that breaks off harms nobody.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn respond(
    request: &Request<Incoming>,
    read: &impl Fn() -> (Overview, JournalStatus),
) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "only /metrics is here\n".to_owned());
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is allowed\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let (overview, journal) = read();
    plain(StatusCode::OK, render(&overview, &journal))
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}

/// The exposition of one moment.
pub(crate) fn render(overview: &Overview, journal: &JournalStatus) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        agent(overview, journal);
        for DroppedPackets { interface, cause, count } in &overview.snapshot.dropped_packets {
            let labels = [("interface", interface.clone()), ("reason", cause.as_str().to_owned())];
            counter!("baton_vrrp_invalid_packets_total", &labels).absolute(*count);
        }
        for (kind, number) in &overview.transitions {
            let labels = vec![
                Label::new("group", kind.group.clone()),
                Label::new("vrid", kind.vrid.to_string()),
                Label::new("interface", kind.interface.clone()),
                Label::new("family", kind.family.as_str()),
                Label::new("to", kind.to.as_str()),
                Label::new("reason", kind.reason.as_str()),
            ];
            counter!("baton_vrrp_transitions_total", labels).absolute(*number);
        }
        for (name, standing) in &overview.checks {
            check(name, standing);
        }
        for one in &overview.snapshot.groups {
            group(one, overview.last.get(&one.desired.id));
        }
    });
    recorder.handle().render()
}

fn agent(overview: &Overview, journal: &JournalStatus) {
    gauge!("baton_agent_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("baton_agent_connected").set(truth(overview.connected));
    counter!("baton_agent_reconnects_total").absolute(overview.reconnects);
    gauge!("baton_agent_journal_unacknowledged").set(count(journal.unacknowledged));
    gauge!("baton_agent_journal_degraded").set(truth(journal.degraded.is_some()));
    gauge!("baton_agent_config_rejected").set(truth(overview.rejection.is_some()));
    if let Some(desired) = overview.desired {
        gauge!("baton_agent_desired_epoch").set(signed(desired.epoch));
        gauge!("baton_agent_desired_counter").set(signed(desired.counter));
    }
    if let Some(applied) = overview.applied_revision() {
        gauge!("baton_agent_applied_epoch").set(signed(applied.epoch));
        gauge!("baton_agent_applied_counter").set(signed(applied.counter));
    }
    if let Some(realtime) = &overview.snapshot.realtime {
        gauge!("baton_agent_realtime").set(truth(realtime.scheduling == "fifo"));
        gauge!("baton_agent_memory_locked").set(truth(realtime.memory_locked));
    }
    if let Some(Timing { lag, .. }) = overview.snapshot.timing {
        let seconds = |microseconds| Duration::from_micros(microseconds).as_secs_f64();
        gauge!("baton_agent_timer_lag_p99_seconds").set(seconds(lag.p99_us));
        gauge!("baton_agent_timer_lag_max_seconds").set(seconds(lag.max_us));
    }
    for (name, fence) in overview.snapshot.fences.each() {
        gauge!("baton_agent_fence_armed", "fence" => name).set(truth(fence.state == FenceState::Armed));
        counter!("baton_agent_fence_acted_total", "fence" => name).absolute(fence.acted);
        counter!("baton_agent_fence_lapsed_total", "fence" => name).absolute(fence.lapsed);
    }
}

fn check(name: &str, standing: &Standing) {
    let labels = [("check", name.to_owned()), ("kind", standing.kind.to_owned())];
    if let Some(passes) = standing.passes {
        gauge!("baton_check_passing", &labels).set(truth(passes));
    }
    gauge!("baton_check_duration_seconds", &labels).set(standing.took.as_secs_f64());
    for (result, number) in [("passed", standing.passed), ("failed", standing.failed)] {
        let [check, kind] = labels.clone();
        counter!("baton_check_runs_total", &[check, kind, ("result", result.to_owned())]).absolute(number);
    }
}

fn group(group: &GroupSnapshot, last: Option<&LastTransition>) {
    let labels = vec![
        Label::new("group", group.desired.name.to_string()),
        Label::new("vrid", group.desired.vrid.to_string()),
        Label::new("interface", group.desired.interface.clone()),
        Label::new("family", group.desired.family.as_str()),
    ];
    let with = |name: &'static str, value: String| {
        let mut labels = labels.clone();
        labels.push(Label::new(name, value));
        labels
    };
    for state in [State::Initialize, State::Backup, State::Active, State::Fault] {
        let labels = with("state", state.as_str().to_owned());
        gauge!("baton_vrrp_state", labels).set(truth(state == group.state));
    }
    for address in &group.desired.virtual_addresses {
        let present = group.addresses_present.contains(address);
        gauge!("baton_address_present", with("address", address.to_string())).set(truth(present));
    }
    gauge!("baton_vrrp_priority", labels.clone()).set(f64::from(group.desired.priority.get()));
    gauge!("baton_vrrp_effective_priority", labels.clone()).set(f64::from(group.effective_priority.get()));

    gauge!("baton_vrrp_state_since_timestamp_seconds", labels.clone())
        .set(wall_seconds(group.since_boottime_ns));
    if let Some(heard) = group.last_heard_boottime_ns {
        gauge!("baton_vrrp_last_advertisement_timestamp_seconds", labels.clone()).set(wall_seconds(heard));
    }
    if let Some(interval) = group.active_down_interval {
        gauge!("baton_vrrp_active_down_interval_seconds", labels.clone()).set(interval.as_secs_f64());
    }
    if let Some(failover) = last.and_then(|last| last.failover) {
        gauge!("baton_vrrp_last_failover_seconds", labels.clone()).set(failover.as_secs_f64());
    }

    let counters = group.counters;
    gauge!("baton_vrrp_longest_lateness_seconds", labels.clone())
        .set(Duration::from_micros(counters.longest_lateness_us).as_secs_f64());
    for (name, value) in [
        ("baton_vrrp_advertisement_sent_total", counters.advertisement_sent),
        ("baton_vrrp_advertisement_rcvd_total", counters.advertisement_rcvd),
        ("baton_vrrp_priority_zero_pkts_sent_total", counters.priority_zero_pkts_sent),
        ("baton_vrrp_priority_zero_pkts_rcvd_total", counters.priority_zero_pkts_rcvd),
        ("baton_vrrp_advertisements_late_total", counters.advertisements_late),
        ("baton_announcements_sent_total", counters.announcements_sent),
        ("baton_addresses_restored_total", counters.addresses_restored),
        ("baton_vrrp_packets_dropped_total", counters.packets_dropped),
        ("baton_vrrp_active_transitions_total", counters.active_transitions),
    ] {
        counter!(name, labels.clone()).absolute(value);
    }
    for (cause, number) in counters.dropped() {
        counter!(format!("baton_vrrp_{}_total", cause.counter()), labels.clone()).absolute(number);
    }
}

/// A point of `CLOCK_BOOTTIME` in seconds since 1970, exact to the microsecond.
fn wall_seconds(boottime_ns: u64) -> f64 {
    let at = clock::wall_at(boottime_ns).as_datetime();
    u64::try_from(at.timestamp_micros()).map_or(0.0, |micros| Duration::from_micros(micros).as_secs_f64())
}

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// Exact up to 2^32, which no count of these reaches.
fn count(value: u64) -> f64 {
    u32::try_from(value).map_or(f64::INFINITY, f64::from)
}

/// Exact up to 2^31.
fn signed(value: i64) -> f64 {
    i32::try_from(value).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use api_types::channel::Revision;
    use api_types::fences::{FenceStatus, Fences};
    use api_types::timing::TimerLag;
    use api_types::transition::{AdvertisementHeard, TransitionReason};
    use vrrp::{DropCause, Family, Vrid};

    use super::*;
    use crate::control::overview::TransitionKind;
    use crate::control::test_data::group;
    use crate::messages::{ObservedTransition, Snapshot};

    fn overview() -> Overview {
        let group = GroupSnapshot {
            counters: api_types::agent_status::GroupCounters {
                advertisement_sent: 7,
                source_errors: 5,
                ..Default::default()
            },
            last_heard_boottime_ns: Some(clock::boottime_ns()),
            ..group()
        };
        let snapshot = Snapshot {
            groups: vec![group],
            dropped_packets: vec![DroppedPackets {
                interface: "eth0".to_owned(),
                cause: DropCause::Ttl,
                count: 3,
            }],
            timing: Some(Timing { realtime: true, lag: TimerLag { samples: 9, p99_us: 250, max_us: 3_000 } }),
            fences: Fences {
                self_check: FenceStatus { acted: 2, ..FenceStatus::armed() },
                ..Fences::default()
            },
            ..Snapshot::default()
        };
        let kind = TransitionKind {
            group: "web".to_owned(),
            vrid: Vrid::new(51).unwrap(),
            interface: "eth0".to_owned(),
            family: Family::Ipv4,
            to: State::Active,
            reason: TransitionReason::NoResponse,
        };
        let standing = Standing {
            kind: "http",
            passes: Some(false),
            passed: 7,
            failed: 2,
            took: Duration::from_micros(1_500),
            ..Standing::default()
        };
        Overview {
            connected: true,
            applied: Some((None, Revision { epoch: 1, counter: 12 })),
            transitions: [(kind, 2)].into(),
            snapshot,
            checks: [("nginx".to_owned(), standing)].into(),
            ..Overview::default()
        }
    }

    #[test]
    fn a_scrape_says_what_control_knows() {
        let text = render(&overview(), &JournalStatus { unacknowledged: 4, degraded: None });
        let labels = "group=\"web\",vrid=\"51\",interface=\"eth0\",family=\"ipv4\"";
        for line in [
            format!("baton_vrrp_state{{{labels},state=\"active\"}} 1"),
            format!("baton_vrrp_state{{{labels},state=\"backup\"}} 0"),
            format!("baton_vrrp_advertisement_sent_total{{{labels}}} 7"),
            format!("baton_vrrp_source_errors_total{{{labels}}} 5"),
            format!("baton_vrrp_transitions_total{{{labels},to=\"active\",reason=\"no_response\"}} 2"),
            format!("baton_address_present{{{labels},address=\"192.0.2.10/24\"}} 1"),
            format!("baton_vrrp_effective_priority{{{labels}}} 240"),
            format!("baton_vrrp_active_down_interval_seconds{{{labels}}} 0.30625"),
            "baton_vrrp_invalid_packets_total{interface=\"eth0\",reason=\"ttl\"} 3".to_owned(),
            "baton_agent_connected 1".to_owned(),
            "baton_check_passing{check=\"nginx\",kind=\"http\"} 0".to_owned(),
            "baton_check_duration_seconds{check=\"nginx\",kind=\"http\"} 0.0015".to_owned(),
            "baton_check_runs_total{check=\"nginx\",kind=\"http\",result=\"failed\"} 2".to_owned(),
            "baton_agent_timer_lag_p99_seconds 0.00025".to_owned(),
            "baton_agent_timer_lag_max_seconds 0.003".to_owned(),
            "baton_agent_fence_armed{fence=\"self_check\"} 1".to_owned(),
            "baton_agent_fence_armed{fence=\"guard\"} 0".to_owned(),
            "baton_agent_fence_acted_total{fence=\"self_check\"} 2".to_owned(),
            "baton_agent_applied_counter 12".to_owned(),
            "baton_agent_journal_unacknowledged 4".to_owned(),
            "baton_agent_journal_degraded 0".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
        let heard =
            text.lines().find(|line| line.starts_with("baton_vrrp_last_advertisement_timestamp")).unwrap();
        let heard: f64 = heard.rsplit(' ').next().unwrap().parse().unwrap();
        let now = wall_seconds(clock::boottime_ns());
        assert!((0.0..60.0).contains(&(now - heard)), "{heard} is not just before {now}");
    }

    #[test]
    fn a_group_that_is_gone_leaves_no_series() {
        let journal = JournalStatus { unacknowledged: 0, degraded: None };
        let mut overview = overview();
        overview.count(&taken_over(TransitionReason::NoResponse));
        assert!(render(&overview, &journal).contains("baton_vrrp_state"));
        overview.take(Snapshot::default());
        let text = render(&overview, &journal);
        assert!(!text.contains("group="), "{text}");
        assert!(overview.last.is_empty(), "nor anything in memory");
    }

    /// Announced 310 ms after the last advertisement that was heard.
    fn taken_over(reason: TransitionReason) -> ObservedTransition {
        let heard = AdvertisementHeard {
            source: "192.0.2.2".parse().unwrap(),
            priority: vrrp::Claim::from_octet(250),
            at_boottime_ns: 5_000_000_000,
        };
        ObservedTransition {
            group_id: group().desired.id,
            reason,
            last_advertisement: Some(heard),
            announced_at_boottime_ns: Some(5_310_000_000),
            ..crate::control::journal::test_data::observed()
        }
    }

    #[test]
    fn a_failover_is_measured_from_the_last_advertisement_to_the_announcement() {
        let journal = JournalStatus { unacknowledged: 0, degraded: None };
        let mut overview = overview();
        overview.count(&taken_over(TransitionReason::Preempting));
        assert!(!render(&overview, &journal).contains("last_failover"), "the other was alive");
        overview.count(&taken_over(TransitionReason::NoResponse));
        overview.count(&taken_over(TransitionReason::HigherPriorityHeard));
        let text = render(&overview, &journal);
        let line = text.lines().find(|line| line.starts_with("baton_vrrp_last_failover_seconds")).unwrap();
        assert!(line.ends_with(" 0.31"), "{line}");
    }
}
