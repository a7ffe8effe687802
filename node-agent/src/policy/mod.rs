//! What this host allows a server to ask of it: one TOML file, written by the people who run the host.
//!
//! It is no part of what a server says and no server can change it. Groups are judged by the dataplane before anything
//! of a desired state runs, checks by whoever runs them. Programs are named in a desired state and declared here, so
//! that no command line ever comes from a server.
//!
//! ```toml
//! interfaces = ["eth0", "bond*"]
//! addresses = ["192.0.2.0/24"]
//! vrids = ["1-99", 120]
//! minimum_interval_ms = 100
//! virtual_routes = false
//! check_targets = ["10.0.0.0/8"]
//! check_files = ["/run/app/"]
//!
//! [scripts.pg-is-primary]
//! path = "/etc/baton/scripts/pg-is-primary"
//! args = ["--port", "5432"]
//! user = "postgres"
//! ```
//!
//! Whoever may write this file decides what the agent runs, and so does whoever may write a program that it
//! declares: [`trust`] says who that may be.

mod file;
pub mod trust;
mod words;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use api_types::Name;
use api_types::channel::DesiredGroup;
use serde::{Deserialize, Serialize};
use vrrp::Vrid;

pub use self::file::PolicyError;
pub use self::words::{AllowedPath, InterfacePattern, LocalProgramPath, Net, VridRange};

/// Where the policy is looked for when nothing else is said.
pub const DEFAULT_POLICY: &str = "/etc/baton/policy.toml";

/// Who runs a program that names no user.
pub const DEFAULT_USER: &str = "nobody";

/// What a server may ask of this host. The default is what holds without a file: any group, and no program or file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The interfaces that groups may run on; `None` for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<InterfacePattern>>,
    /// Where virtual addresses may be; `None` for anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<Net>>,
    /// The virtual routers; `None` for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vrids: Option<Vec<VridRange>>,
    /// The shortest advertisement interval; `None` for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_interval_ms: Option<u32>,
    /// Whether groups may bring routes and rules along; `None` for yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_routes: Option<bool>,
    /// What checks may connect to, beside loopback and the addresses of the host itself.
    pub check_targets: Vec<Net>,
    /// The files that checks may look for.
    pub check_files: Vec<AllowedPath>,
    /// The programs that checks may run, by name.
    pub scripts: BTreeMap<Name, Program>,
    /// The programs that run when a member changes its state, by name.
    pub hooks: BTreeMap<Name, Program>,
}

/// A program of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Where it is.
    pub path: LocalProgramPath,
    /// What it is called with.
    #[serde(default)]
    pub args: Vec<String>,
    /// Who runs it; [`DEFAULT_USER`] when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

impl Program {
    /// Who runs it.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(DEFAULT_USER)
    }
}

impl Policy {
    /// Reads a policy. One that is not there allows what [`Policy::default`] does.
    ///
    /// # Errors
    /// [`PolicyError`] names the file, the line and the field, and what is allowed.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        file::load(path)
    }

    /// What of this group the policy forbids: one sentence for each field, which begins with its name.
    #[must_use]
    pub fn forbids(&self, group: &DesiredGroup) -> Vec<String> {
        let mut refusals = Vec::new();
        if let Some(interfaces) = &self.interfaces
            && !interfaces.iter().any(|pattern| pattern.matches(&group.interface))
        {
            refusals.push(refusal("interface", &group.interface, interfaces));
        }
        if let Some(addresses) = &self.addresses {
            let is_outside = |address: &IpAddr| !contain(addresses, *address);
            let outside = group.virtual_addresses.iter().map(|address| address.address()).find(is_outside);
            refusals.extend(outside.map(|address| refusal("virtual_addresses", &address, addresses)));
        }
        if let Some(vrids) = &self.vrids
            && !vrids.iter().any(|range| range.contains(group.vrid))
        {
            refusals.push(refusal::<Vrid, _>("vrid", &group.vrid, vrids));
        }
        let interval = group.advertisement_interval_ms.as_duration();
        if let Some(minimum) = self.minimum_interval_ms
            && interval.as_millis() < u128::from(minimum)
        {
            refusals.push(format!(
                "advertisement_interval_ms: the policy of this host does not allow {}: allowed are {minimum} and more",
                interval.as_millis()
            ));
        }
        let options = &group.options;
        let brings = [
            ("virtual_routes", options.virtual_routes.is_empty()),
            ("virtual_rules", options.virtual_rules.is_empty()),
        ];
        for (field, _) in
            brings.into_iter().filter(|(_, is_empty)| !is_empty && self.virtual_routes == Some(false))
        {
            refusals.push(format!("{field}: the policy of this host does not allow any"));
        }
        refusals
    }

    /// Whether a check may connect there, if it is none of the host's own addresses.
    #[must_use]
    pub fn allows_target(&self, address: IpAddr) -> bool {
        address.is_loopback() || contain(&self.check_targets, address)
    }

    /// The part of the file system that is allowed and holds this path, as a directory and the rest of the path; `None`
    /// where the path is not allowed.
    #[must_use]
    pub fn place_of_file(&self, path: &str) -> Option<(PathBuf, PathBuf)> {
        self.check_files.iter().find_map(|allowed| allowed.split(path))
    }
}

fn contain(nets: &[Net], address: IpAddr) -> bool {
    nets.iter().any(|net| net.contains(address))
}

fn refusal<T: std::fmt::Display + ?Sized, A: std::fmt::Display>(
    field: &str,
    asked: &T,
    allowed: &[A],
) -> String {
    format!("{field}: the policy of this host does not allow {asked}: {}", allowed_are(allowed))
}

/// The end of a refusal.
pub(crate) fn allowed_are<A: std::fmt::Display>(allowed: &[A]) -> String {
    if allowed.is_empty() {
        return "it allows none".to_owned();
    }
    let words: Vec<_> = allowed.iter().map(ToString::to_string).collect();
    format!("allowed {} {}", if words.len() == 1 { "is" } else { "are" }, words.join(", "))
}

#[cfg(test)]
mod tests;
