//! Who advertises from which address, as the members of a group hear it.

use std::collections::HashMap;
use std::net::IpAddr;

use uuid::Uuid;

/// A router that may hold the addresses of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Router {
    /// A node, by its id.
    Node(Uuid),
    /// An external member, by its name; or a router that is no member, by its address.
    External(String),
}

/// Who advertises from which address, in one group.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// Those that came first count first.
    routers: HashMap<IpAddr, Vec<Router>>,
    names: HashMap<Uuid, String>,
}

impl Addresses {
    /// Says that the node advertises, or has advertised, from this address. Who is added first counts first.
    pub fn add_node(&mut self, address: IpAddr, id: Uuid, name: &str) {
        self.routers.entry(address).or_default().push(Router::Node(id));
        self.names.entry(id).or_insert_with(|| name.to_owned());
    }

    /// Says that the external member advertises from this address. It goes before nodes.
    pub fn add_external(&mut self, address: IpAddr, name: &str) {
        self.routers.entry(address).or_default().insert(0, Router::External(name.to_owned()));
    }

    /// The name of whom a node hears from this address, if that is known.
    #[must_use]
    pub fn name_heard_by(&self, node: Uuid, address: IpAddr) -> Option<&str> {
        match self.heard_by(node, address)? {
            Router::Node(id) => self.name_of(*id),
            Router::External(name) => Some(name),
        }
    }

    /// The name of a node.
    pub(super) fn name_of(&self, id: Uuid) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    /// Whom a node hears from this address: nobody hears itself.
    pub(super) fn heard_by(&self, node: Uuid, address: IpAddr) -> Option<&Router> {
        self.routers.get(&address)?.iter().find(|router| **router != Router::Node(node))
    }
}
