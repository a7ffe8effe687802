//! The whole system: one file per incident, in namespaces, judged from outside.
//!
//! The judges are a client's probes, captured packets and each host's kernel. What the server and the agents
//! say is only asked for where the claim is about that.

mod active_node_dies;
mod agent_restarts;
mod agent_stops;
mod assist;
mod bad_input;
mod bad_packets;
mod checks;
mod clean;
mod convergence;
mod demo_notices;
mod dialects;
mod drain;
mod enrolment;
mod examples;
mod fast_start;
mod fences;
mod first_election;
mod install_dependencies;
mod keepalived_peer;
mod make_serve;
mod node_enrolled_anew;
mod node_returns;
mod node_status;
mod owner_returns;
mod priority_edit;
mod push;
mod rejected_config;
mod server_is_down;
mod standby;
mod switchover;
mod systemd;
mod test_summary;
mod use_cases;
mod virtual_mac_ipv6;
