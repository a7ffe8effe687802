//! An agent that says it has bound its addresses and has not.
//!
//! It elects, advertises and announces like the real one. What watches over a failover must notice that nobody
//! answers; this program exists so that a test can show that it does.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use baton_agent::agent;
use baton_agent::dataplane::{
    Added, AddressError, AddressTable, AgentNumber, HostAddress, ListedAddress, NetlinkAddressTable, Seams,
};
use futures_util::future::BoxFuture;

struct NeverBinds(NetlinkAddressTable);

impl AddressTable for NeverBinds {
    fn list(&self) -> BoxFuture<'_, Result<Vec<ListedAddress>, AddressError>> {
        self.0.list()
    }

    fn add(&self, _address: HostAddress) -> BoxFuture<'_, Result<Added, AddressError>> {
        Box::pin(async { Ok(Added::New) })
    }

    fn remove(&self, _address: HostAddress) -> BoxFuture<'_, Result<(), AddressError>> {
        Box::pin(async { Ok(()) })
    }
}

fn connect(agent: AgentNumber) -> io::Result<Arc<dyn AddressTable>> {
    Ok(Arc::new(NeverBinds(NetlinkAddressTable::connect(agent)?)))
}

fn main() -> ExitCode {
    agent::main(|| Seams { address_table: connect, ..Seams::real() })
}
