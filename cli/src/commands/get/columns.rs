//! What the table of each kind shows.

use api_types::Timestamp;
use api_types::audit::{AuditEvent, Outcome};
use api_types::auth::{JoinToken, Token};
use api_types::check::Check;
use api_types::condition::Condition;
use api_types::failover::Failover;
use api_types::fences::Fences;
use api_types::group::Group;
use api_types::node::Node;
use api_types::segment::Segment;
use api_types::sync_group::SyncGroup;
use api_types::transition::{State, Transition};

use super::audit_detail;
use crate::commands::agent_link::AgentLink;
use crate::commands::{probe, tracked};
use crate::output::{Cell, Column, Named, Tone, age, moment, span};

/// Texts with a blank between them.
fn joined(items: impl IntoIterator<Item = impl ToString>) -> Cell {
    Cell::plain(items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" "))
}

fn kinds(conditions: &[Condition]) -> Cell {
    let kinds: Vec<_> = conditions.iter().map(|condition| condition.kind.as_str()).collect();
    Cell::toned(kinds.join(" "), if kinds.is_empty() { Tone::Plain } else { Tone::Bad })
}

fn since(time: Option<Timestamp>, now: Timestamp) -> Cell {
    Cell::maybe(time.map(|time| age(time, now)))
}

impl Named for Segment {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("NAME", |segment, _| Cell::plain(segment.name.as_str())),
        Column::new("PREFIXES", |segment, _| joined(&segment.prefixes)),
        Column::new("GROUPS", |segment, _| Cell::plain(segment.status.groups.to_string())),
        Column::new("AGE", |segment, table| since(Some(segment.created_at), table.now)),
        Column::wide("GENERATION", |segment, _| Cell::plain(segment.generation.to_string())),
        Column::wide("ID", |segment, _| Cell::plain(segment.id.to_string())),
        Column::wide("DESCRIPTION", |segment, _| Cell::plain(&segment.description)),
    ];

    fn reference(&self) -> String {
        format!("segment/{}", self.name)
    }
}

impl Named for Node {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("NAME", |node, _| Cell::plain(node.name.as_str())),
        Column::new("AGENT", |node, _| {
            let agent = AgentLink::of(node);
            Cell::toned(agent.as_str(), agent.tone())
        }),
        Column::new("SEEN", |node, table| since(node.status.last_seen_at, table.now)),
        Column::new("VERSION", |node, _| Cell::maybe(node.status.agent_version.as_ref())),
        Column::new("DESIRED", |node, _| Cell::plain(node.status.desired_revision.to_string())),
        Column::new("APPLIED", |node, _| {
            let applied = node.status.applied_revision;
            let tone =
                if applied == Some(node.status.desired_revision) { Tone::Plain } else { Tone::Warning };
            Cell::toned(applied.map(|revision| revision.to_string()).unwrap_or_default(), tone)
        }),
        Column::new("CONDITIONS", |node, _| kinds(&node.status.conditions)),
        Column::wide("INTERFACES", |node, _| {
            joined(node.status.interfaces.iter().flatten().map(|interface| {
                let state = if interface.up && interface.carrier { "" } else { "(down)" };
                format!("{}{state}", interface.name)
            }))
        }),
        Column::wide("FENCES", |node, _| {
            joined(
                node.status
                    .fences
                    .iter()
                    .flat_map(Fences::each)
                    .map(|(name, fence)| format!("{name}={}", fence.state.as_str())),
            )
        }),
        Column::wide("DROPPED", |node, _| {
            joined(node.status.interface_counters.iter().flatten().filter_map(|counters| {
                let dropped = counters.total();
                (dropped > 0).then(|| format!("{}={dropped}", counters.interface))
            }))
        }),
        Column::wide("AGE", |node, table| since(Some(node.created_at), table.now)),
        Column::wide("ID", |node, _| Cell::plain(node.id.to_string())),
        Column::wide("DESCRIPTION", |node, _| Cell::plain(&node.description)),
    ];

    fn reference(&self) -> String {
        format!("node/{}", self.name)
    }
}

impl Named for Group {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("NAME", |group, _| Cell::plain(group.name.as_str())),
        Column::new("SEGMENT", |group, _| Cell::plain(group.segment.as_str())),
        Column::new("VRID", |group, _| Cell::plain(group.vrid.to_string())),
        Column::new("ADDRESSES", |group, _| joined(&group.virtual_addresses)),
        Column::new("ACTIVE", |group, _| {
            // Without a session of any member's agent it is what was last known.
            let is_known = group.status.members.iter().any(|member| member.connected == Some(true));
            let doubt = if is_known { "" } else { "?" };
            let tone = if is_known && group.status.active.len() == 1 { Tone::Good } else { Tone::Bad };
            Cell::toned(group.status.active.join(" ") + doubt, tone)
        }),
        Column::new("CONDITIONS", |group, _| kinds(&group.status.conditions)),
        Column::wide("MEMBERS", |group, _| {
            joined(group.members.iter().map(|member| format!("{}={}", member.name(), member.priority())))
        }),
        Column::wide("TRACKS", |group, _| joined(group.track.iter().map(|track| &track.check))),
        Column::wide("INTERVAL", |group, _| Cell::plain(group.advertisement_interval_ms.to_string())),
        Column::wide("PREEMPT", |group, _| {
            Cell::plain(match (group.preempt_mode, group.preempt_delay_ms.as_millis()) {
                (false, _) => "no".to_owned(),
                (true, 0) => "yes".to_owned(),
                (true, delay) => format!("yes(after {delay} ms)"),
            })
        }),
        Column::wide("VERSION", |group, _| Cell::plain(u8::from(group.version).to_string())),
        Column::wide("FAMILY", |group, _| Cell::plain(group.family.as_str())),
        Column::wide("TRANSPORT", |group, _| match group.max_hops.get() {
            0 => Cell::plain(group.transport.as_str()),
            hops => Cell::plain(format!("{}({hops} hops)", group.transport.as_str())),
        }),
        Column::wide("MAC", |group, _| Cell::plain(group.mac_mode.as_str())),
        Column::wide("ACCEPT", |group, _| Cell::plain(if group.accept_mode { "yes" } else { "no" })),
        Column::wide("CHECKSUM", |group, _| Cell::plain(group.checksum.as_str())),
        Column::wide("UNADVERTISED", |group, _| {
            let unadvertised = group.status.unadvertised_addresses.len();
            Cell::plain(if unadvertised == 0 { String::new() } else { unadvertised.to_string() })
        }),
        Column::wide("AGE", |group, table| since(Some(group.created_at), table.now)),
        Column::wide("GENERATION", |group, _| Cell::plain(group.generation.to_string())),
        Column::wide("ID", |group, _| Cell::plain(group.id.to_string())),
        Column::wide("DESCRIPTION", |group, _| Cell::plain(&group.description)),
    ];

    fn reference(&self) -> String {
        format!("group/{}", self.name)
    }
}

impl Named for Check {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("NAME", |check, _| Cell::plain(check.name.as_str())),
        Column::new("PROBE", |check, _| Cell::plain(probe::in_words(&check.probe))),
        Column::new("GROUPS", |check, _| joined(&check.status.groups)),
        Column::new("AGE", |check, table| since(Some(check.created_at), table.now)),
        Column::wide("INTERVAL", |check, _| Cell::plain(u32::from(check.interval_ms).to_string())),
        Column::wide("TIMEOUT", |check, _| Cell::plain(u32::from(check.timeout_ms).to_string())),
        Column::wide("RISE", |check, _| Cell::plain(check.rise.get().to_string())),
        Column::wide("FALL", |check, _| Cell::plain(check.fall.get().to_string())),
        Column::wide("GENERATION", |check, _| Cell::plain(check.generation.to_string())),
        Column::wide("ID", |check, _| Cell::plain(check.id.to_string())),
        Column::wide("DESCRIPTION", |check, _| Cell::plain(&check.description)),
    ];

    fn reference(&self) -> String {
        format!("check/{}", self.name)
    }
}

impl Named for SyncGroup {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("NAME", |sync_group, _| Cell::plain(sync_group.name.as_str())),
        Column::new("GROUPS", |sync_group, _| joined(&sync_group.groups)),
        Column::new("AGE", |sync_group, table| since(Some(sync_group.created_at), table.now)),
        Column::wide("GENERATION", |sync_group, _| Cell::plain(sync_group.generation.to_string())),
        Column::wide("ID", |sync_group, _| Cell::plain(sync_group.id.to_string())),
        Column::wide("DESCRIPTION", |sync_group, _| Cell::plain(&sync_group.description)),
    ];

    fn reference(&self) -> String {
        format!("sync-group/{}", self.name)
    }
}

impl Named for Failover {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("RECORDED", |failover, _| Cell::plain(moment(failover.recorded_at))),
        Column::new("GROUP", |failover, _| Cell::plain(&failover.group)),
        Column::new("FROM", |failover, _| Cell::maybe(failover.from.as_ref())),
        Column::new("TO", |failover, _| Cell::plain(&failover.to)),
        Column::new("CAUSE", |failover, _| {
            Cell::plain(tracked::with_checks(failover.cause.as_str(), &failover.failing_checks))
        }),
        Column::new("GAP", |failover, _| Cell::maybe(failover.gap_ms.map(span))),
        Column::wide("GAP MS", |failover, _| Cell::maybe(failover.gap_ms)),
        Column::wide("MEASURED", |failover, _| Cell::plain(failover.gap_method.as_str())),
        Column::wide("CONVERGENCE MS", |failover, _| Cell::maybe(failover.convergence_ms)),
        Column::wide("CHECKED BY", |failover, _| Cell::maybe(failover.convergence_checked_by.as_ref())),
        Column::wide("LAST ADVERTISEMENT", |failover, _| {
            Cell::maybe(failover.last_advertisement_at.map(moment))
        }),
        Column::wide("BOUND", |failover, _| Cell::maybe(failover.bound_at.map(moment))),
        Column::wide("ANNOUNCED", |failover, _| Cell::maybe(failover.announced_at.map(moment))),
        Column::wide("ID", |failover, _| Cell::plain(failover.id.to_string())),
    ];

    fn reference(&self) -> String {
        format!("failover/{}", self.id)
    }
}

impl Named for Transition {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("RECORDED", |transition, _| Cell::plain(moment(transition.recorded_at))),
        Column::new("NODE", |transition, _| Cell::plain(&transition.node)),
        Column::new("GROUP", |transition, _| Cell::plain(&transition.record.group)),
        Column::new("CHANGE", |transition, _| {
            let (from, to) = (transition.record.from, transition.record.to);
            let tone = if to == State::Fault { Tone::Bad } else { Tone::Plain };
            Cell::toned(format!("{} -> {}", from.as_str(), to.as_str()), tone)
        }),
        Column::new("REASON", |transition, _| {
            let record = &transition.record;
            Cell::plain(tracked::with_checks(record.reason.as_str(), &record.failing_checks))
        }),
        Column::wide("AT", |transition, _| Cell::plain(moment(transition.record.at))),
        Column::wide("PRIORITY", |transition, _| Cell::plain(transition.record.priority.to_string())),
        Column::wide("INTERFACE", |transition, _| Cell::plain(&transition.record.interface)),
        Column::wide("HEARD", |transition, _| {
            let heard = transition.record.last_advertisement;
            Cell::maybe(heard.map(|heard| format!("{} priority {}", heard.source, heard.priority.octet())))
        }),
        Column::wide("BOOT", |transition, _| Cell::plain(transition.record.boot_id.to_string())),
        Column::wide("SEQUENCE", |transition, _| Cell::plain(transition.record.sequence.to_string())),
        Column::wide("ID", |transition, _| Cell::plain(transition.id.to_string())),
    ];

    fn reference(&self) -> String {
        format!("transition/{}", self.id)
    }
}

/// The widest that a column of the audit log gets whose text comes from a caller.
const AUDIT_WIDTH: usize = 40;
/// The same for what was changed; `-o yaml` shows all of it.
const DETAIL_WIDTH: usize = 120;

/// `token/admin`, or the kind alone where there is no name.
fn slashed(kind: &str, name: Option<&String>) -> Cell {
    let text = name.map_or_else(|| kind.to_owned(), |name| format!("{kind}/{name}"));
    Cell::bounded(text, AUDIT_WIDTH)
}

impl Named for AuditEvent {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("RECORDED", |event, _| Cell::plain(moment(event.recorded_at))),
        Column::new("ACTOR", |event, _| slashed(event.actor.kind.as_str(), event.actor.name.as_ref())),
        Column::new("ACTION", |event, _| Cell::plain(&event.action)),
        Column::new("TARGET", |event, _| slashed(&event.target_kind, event.target_name.as_ref())),
        Column::new("OUTCOME", |event, _| {
            let tone = if event.outcome == Outcome::Done { Tone::Plain } else { Tone::Warning };
            Cell::toned(event.outcome.as_str(), tone)
        }),
        Column::wide("DETAIL", |event, _| Cell::bounded(audit_detail::of(event), DETAIL_WIDTH)),
        Column::wide("SOURCE", |event, _| Cell::maybe(event.source.as_ref())),
        Column::wide("REQUEST", |event, _| Cell::maybe(event.request_id.as_ref())),
        Column::wide("ID", |event, _| Cell::plain(event.id.to_string())),
    ];

    fn reference(&self) -> String {
        format!("audit-event/{}", self.id)
    }
}

impl Named for Token {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("NAME", |token, _| Cell::plain(token.name.as_str())),
        Column::new("ROLE", |token, _| Cell::plain(token.role.as_str())),
        Column::new("AGE", |token, table| since(Some(token.created_at), table.now)),
        Column::new("EXPIRES", |token, table| {
            let tone = if token.expires_at <= table.now { Tone::Warning } else { Tone::Plain };
            Cell::toned(moment(token.expires_at), tone)
        }),
        Column::wide("ID", |token, _| Cell::plain(token.id.to_string())),
    ];

    fn reference(&self) -> String {
        format!("token/{}", self.name)
    }
}

impl Named for JoinToken {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("ID", |token, _| Cell::plain(token.id.to_string())),
        Column::new("NODE", |token, _| Cell::plain(token.node.as_str())),
        Column::new("STATE", |token, table| {
            Cell::plain(match token.used_at {
                Some(_) => "used",
                None if token.expires_at <= table.now => "expired",
                None => "unused",
            })
        }),
        Column::new("EXPIRES", |token, _| Cell::plain(moment(token.expires_at))),
        Column::wide("USED", |token, _| Cell::maybe(token.used_at.map(moment))),
    ];

    fn reference(&self) -> String {
        format!("join-token/{}", self.id)
    }
}
