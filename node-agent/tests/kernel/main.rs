//! The dataplane and the process tree on the real kernel, in network namespaces that each test makes and removes.
//!
//! What happened is judged by `ip`, by captured packets and by a neighbour's ARP table, not by what the agent says
//! of itself. The tests need root and run one after the other, because they measure time.

mod accept_mode;
mod address_lease;
mod addresses;
mod advertisements;
mod agent;
mod announcements;
mod asker;
mod assist;
mod checks;
mod checksums;
mod convergence;
mod eventually;
mod fast_start;
mod faults;
mod forwarding;
#[path = "../control/freezer.rs"]
mod freezer;
mod guard;
mod guard_silence;
mod hostile;
mod hung_control;
mod interop;
mod ipv6;
mod lab;
mod lacking;
mod lateness;
mod macvlan;
mod many_macvlans;
mod mode_changes;
mod monitor;
mod neighbour;
mod nftables_lease;
mod owner;
mod pacing;
mod pinger;
mod pre_active;
mod process_tree;
mod realtime;
mod recording;
mod router;
mod self_check;
mod silence;
mod stand_in;
mod switchover;
mod sync_groups;
mod unicast;
mod upgrade;
mod version_2;
mod virtual_mac;
mod virtual_mac_ipv6;
mod virtual_routes;
mod wire;
