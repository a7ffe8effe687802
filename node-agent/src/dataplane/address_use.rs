//! Waits until addresses answer.
//!
//! To an IPv4 address the kernel answers from when it has added it. An IPv6 address it takes into use later,
//! on a thread of its own that other work may keep waiting: until then packets to the address are lost,
//! although it is listed, and nobody may be told that it is here. It tells of such an address only once it
//! answers; that is what is waited for. In case that message is lost, the kernel is asked now and then
//! whether it would deliver a packet to the address.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::address_table::{AddressError, AddressTable, HostAddress};

/// How long the kernel may take.
const WITHIN: Duration = Duration::from_secs(1);
/// How long to wait for its message before asking again.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Whoever listens to the kernel tells it to whoever waits: an IPv6 address is in use.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrivals(Arc<Notify>);

impl Arrivals {
    /// One has arrived.
    pub(super) fn tell(&self) {
        self.0.notify_waiters();
    }

    /// Returns once all of `addresses`, which have been added, answer.
    pub(super) async fn wait(
        &self,
        table: &dyn AddressTable,
        addresses: impl Iterator<Item = HostAddress>,
    ) -> Result<(), AddressError> {
        let all = async {
            for address in addresses {
                self.wait_for(table, address).await?;
            }
            Ok(())
        };
        timeout(WITHIN, all).await.unwrap_or(Err(AddressError::NotInUse))
    }

    async fn wait_for(&self, table: &dyn AddressTable, address: HostAddress) -> Result<(), AddressError> {
        loop {
            let arrival = self.0.notified();
            if table.is_in_use(address).await? {
                return Ok(());
            }
            // Another address may have arrived, or the message was lost: either way the kernel is asked.
            let _asked_again = timeout(ASK_EVERY, arrival).await;
        }
    }
}

/// Whether the kernel would deliver a packet to the IPv6 address.
pub(super) async fn is_delivered(handle: &Handle, address: HostAddress) -> Result<bool, rtnetlink::Error> {
    let IpAddr::V6(destination) = address.address else { return Ok(true) };
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.destination_prefix_length = 128;
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet6(destination)),
        RouteAttribute::Oif(address.ifindex),
    ];
    match handle.route().get(message).execute().next().await {
        Some(Ok(route)) => Ok(route.header.kind == RouteType::Local),
        // No way there at all.
        Some(Err(rtnetlink::Error::NetlinkError(_))) | None => Ok(false),
        Some(Err(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Instant;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::dataplane::address_table::{Added, ListedAddress};

    /// A kernel that has taken an address into use once it was asked so often.
    struct Slow {
        asked: AtomicU32,
        ready_after: u32,
    }

    impl AddressTable for Slow {
        fn list(&self) -> BoxFuture<'_, Result<Vec<ListedAddress>, AddressError>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn add(&self, _address: HostAddress) -> BoxFuture<'_, Result<Added, AddressError>> {
            Box::pin(async { Ok(Added::New) })
        }

        fn is_in_use(&self, _address: HostAddress) -> BoxFuture<'_, Result<bool, AddressError>> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move { Ok(asked >= self.ready_after) })
        }

        fn remove(&self, _address: HostAddress) -> BoxFuture<'_, Result<(), AddressError>> {
            Box::pin(async { Ok(()) })
        }
    }

    async fn wait(arrivals: &Arrivals, ready_after: u32) -> (Result<(), AddressError>, u32) {
        let table = Slow { asked: AtomicU32::new(0), ready_after };
        let address = HostAddress { ifindex: 3, address: "2001:db8::51".parse().unwrap() };
        let outcome = arrivals.wait(&table, std::iter::once(address)).await;
        (outcome, table.asked.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn an_address_is_waited_for_although_nobody_tells_of_it() {
        let (outcome, asked) = wait(&Arrivals::default(), 3).await;
        assert!(outcome.is_ok() && asked == 4, "{outcome:?} after {asked} questions");
    }

    #[tokio::test]
    async fn whoever_waits_asks_again_as_soon_as_an_address_has_arrived() {
        let arrivals = Arrivals::default();
        let telling = async {
            loop {
                tokio::task::yield_now().await;
                arrivals.tell();
            }
        };
        let begun = Instant::now();
        let (outcome, asked) = tokio::select! {
            outcome = wait(&arrivals, 400) => outcome,
            () = telling => unreachable!("it tells for ever"),
        };
        assert!(outcome.is_ok() && asked == 401, "{outcome:?} after {asked} questions");
        assert!(begun.elapsed() < ASK_EVERY * 200, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_address_that_never_answers_is_an_error_after_a_second() {
        let begun = Instant::now();
        let (outcome, _) = wait(&Arrivals::default(), u32::MAX).await;
        assert!(matches!(outcome, Err(AddressError::NotInUse)), "{outcome:?}");
        assert!(begun.elapsed() >= WITHIN);
    }
}
