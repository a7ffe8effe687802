//! The REST API on a real Postgres: one cluster for the process, one database for each test.

mod audit;
mod auth;
mod bad_input;
mod embedded_postgres;
mod groups;
mod harness;
mod http;
mod intent;
mod join_tokens;
mod jwt;
mod lists;
mod nodes;
mod openapi;
mod preconditions;
mod routes;
mod segments;
mod tokens;
