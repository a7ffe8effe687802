//! The control plane of Baton: REST API, intent in Postgres, agent sessions, audit log.
//!
//! `router` lists every route; `http` has the handlers, one file per resource: extract → domain → store → respond.
//! `domain` holds rules and knows neither axum nor sqlx; `store` holds the SQL; only `http/problem.rs` knows the
//! status codes of refusals. Nothing points up: router → http → {auth, domain, store}.
//!
//! Losing this server or its database moves no address: the agents elect among themselves.

pub mod agents;
pub mod app;
pub mod auth;
pub mod clock;
pub mod config;
pub mod domain;
pub mod embedded_postgres;
pub mod http;
pub mod metrics;
mod openapi;
pub mod router;
pub mod serve;
pub mod startup;
pub mod store;
pub mod tls;
