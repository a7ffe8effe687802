//! The REST API on a real Postgres: one cluster for the process, one database for each test.

#![expect(
    clippy::unwrap_used,
    reason = "what a helper of the tests cannot unwrap fails the test, as it should"
)]

mod agent;
mod agent_admission;
mod agent_patience;
mod agent_session;
mod assists;
mod audit;
mod auth;
mod bad_input;
mod checked_members;
mod checks;
mod convergence;
mod desired_state;
mod drains;
mod embedded_postgres;
mod enrolment;
mod failovers;
mod fast_starts;
mod group_options;
mod groups;
mod harness;
mod holders;
mod hooks;
mod http;
mod intent;
mod join_tokens;
mod jwt;
mod listening;
mod lists;
mod nodes;
mod openapi;
mod outage;
mod pair;
mod peers;
mod permissions;
mod preconditions;
mod priorities;
mod process;
mod readiness;
mod renewal;
mod routes;
mod segments;
mod stopping;
mod switchovers;
mod sync_groups;
mod tokens;
mod transitions;
