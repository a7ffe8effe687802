mod company;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;

use super::progress::RETRY_AFTER;
use super::*;
use crate::dataplane::accept_gate::AcceptGate;
use crate::dataplane::address_table::{Added, AddressError, AddressTable, AgentNumber, ListedAddress};
use crate::dataplane::address_use::Arrivals;
use crate::dataplane::attachment::{AttachmentError, AttachmentTable, Rule};
use crate::dataplane::background::Background;
use crate::dataplane::entry_fence::EntryFence;
use crate::dataplane::link_table::{LinkError, LinkSwitch};

/// Addresses in memory, with faults to order.
#[derive(Default)]
struct FakeTable {
    addresses: Mutex<BTreeMap<HostAddress, bool>>,
    refuses_to_add: Mutex<BTreeSet<HostAddress>>,
    refusals_to_remove: Mutex<u32>,
    removals: Mutex<Vec<HostAddress>>,
    attachments: Mutex<BTreeSet<Attachment>>,
    /// What was done, in words.
    done: Mutex<Vec<String>>,
}

impl FakeTable {
    fn all(&self) -> Vec<HostAddress> {
        self.addresses.lock().unwrap().keys().copied().collect()
    }

    fn steal(&self, address: HostAddress) {
        self.addresses.lock().unwrap().remove(&address).expect("it was there");
    }

    fn put(&self, address: HostAddress, ours: bool) {
        self.addresses.lock().unwrap().insert(address, ours);
    }
}

impl FakeTable {
    fn note(&self, what: String) {
        self.done.lock().unwrap().push(what);
    }

    fn take_done(&self) -> Vec<String> {
        std::mem::take(&mut self.done.lock().unwrap())
    }
}

impl LinkSwitch for FakeTable {
    fn raise(&self, _ifindex: u32) -> BoxFuture<'_, Result<(), LinkError>> {
        self.note("up".to_owned());
        Box::pin(async { Ok(()) })
    }

    fn unmute(&self, _ifindex: u32) -> BoxFuture<'_, Result<(), LinkError>> {
        self.note("unmute".to_owned());
        Box::pin(async { Ok(()) })
    }

    fn hush(&self, _ifindex: u32) -> BoxFuture<'_, Result<(), LinkError>> {
        self.note("hush".to_owned());
        Box::pin(async { Ok(()) })
    }

    fn lower(&self, _ifindex: u32) -> BoxFuture<'static, Result<(), LinkError>> {
        self.note("down".to_owned());
        Box::pin(tokio::time::sleep(Duration::from_millis(15)).map(Ok))
    }
}

impl AttachmentTable for FakeTable {
    fn leftovers(&self) -> BoxFuture<'_, Result<Vec<Attachment>, AttachmentError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn add(&self, attachment: Attachment) -> BoxFuture<'_, Result<Added, AttachmentError>> {
        let is_new = self.attachments.lock().unwrap().insert(attachment);
        if is_new {
            self.note(format!("attach {attachment}"));
        }
        Box::pin(async move { Ok(if is_new { Added::New } else { Added::AlreadyOurs }) })
    }

    fn remove(&self, attachment: Attachment) -> BoxFuture<'_, Result<(), AttachmentError>> {
        self.attachments.lock().unwrap().remove(&attachment);
        self.note(format!("detach {attachment}"));
        Box::pin(async { Ok(()) })
    }
}

impl AddressTable for FakeTable {
    fn list(&self) -> BoxFuture<'_, Result<Vec<ListedAddress>, AddressError>> {
        Box::pin(async {
            let addresses = self.addresses.lock().unwrap();
            Ok(addresses
                .iter()
                .map(|(at, ours)| ListedAddress { at: *at, prefix_length: 32, ours: *ours })
                .collect())
        })
    }

    fn add(&self, address: HostAddress) -> BoxFuture<'_, Result<Added, AddressError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if self.refuses_to_add.lock().unwrap().contains(&address) {
                return Err(AddressError::Refused(std::io::Error::from_raw_os_error(libc::ENOBUFS)));
            }
            let mut addresses = self.addresses.lock().unwrap();
            Ok(match addresses.get(&address) {
                Some(true) => Added::AlreadyOurs,
                Some(false) => Added::Foreign,
                None => {
                    self.note(format!("add {}", address.address));
                    addresses.insert(address, true);
                    Added::New
                }
            })
        })
    }

    fn remove(&self, address: HostAddress) -> BoxFuture<'_, Result<(), AddressError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let mut refusals = self.refusals_to_remove.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return Err(AddressError::Refused(std::io::Error::from_raw_os_error(libc::ENOBUFS)));
            }
            self.note(format!("remove {}", address.address));
            self.addresses.lock().unwrap().remove(&address);
            self.removals.lock().unwrap().push(address);
            Ok(())
        })
    }
}

fn address(last: u8) -> HostAddress {
    HostAddress { ifindex: 3, address: [192, 0, 2, last].into() }
}

fn wish(lasts: &[u8]) -> Wish {
    Wish { addresses: lasts.iter().map(|last| address(*last)).collect(), ..Wish::default() }
}

fn binder(leftovers: &[u8]) -> (Arc<FakeTable>, Binder) {
    let table = Arc::new(FakeTable::default());
    leftovers.iter().for_each(|last| table.put(address(*last), true));
    let gate = AcceptGate::new(AgentNumber(1), Background::start("nft").unwrap());
    let kernel = Kernel {
        arrivals: Arrivals::default(),
        addresses: table.clone(),
        links: table.clone(),
        attachments: table.clone(),
        gate: gate.view(),
        entry: EntryFence::new(AgentNumber(1), Background::start("nft").unwrap()).view(),
    };
    let leftovers = leftovers.iter().map(|last| address(*last)).collect();
    let binder = Binder::new(kernel, leftovers, BTreeSet::new());
    (table, binder)
}

async fn next(binder: &mut Binder) -> Event {
    tokio::time::timeout(Duration::from_secs(5), binder.next()).await.expect("an event")
}

#[tokio::test]
async fn what_is_wanted_is_held_and_what_is_not_is_released() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1, 2]));
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
    assert_eq!(table.all(), [address(1), address(2)]);
    binder.release(0);
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    assert_eq!(table.all(), []);
    assert!(binder.is_idle());
}

#[tokio::test]
async fn a_changed_wish_adds_and_removes_the_difference() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1, 2]));
    next(&mut binder).await;
    binder.hold(0, wish(&[2, 3]));
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
    assert_eq!(table.all(), [address(2), address(3)]);
}

#[tokio::test]
async fn the_last_of_several_wishes_counts() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1]));
    assert!(binder.next().now_or_never().is_none(), "the kernel is still at it");
    binder.release(0);
    binder.hold(0, wish(&[2]));
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
    assert_eq!(table.all(), [address(2)]);
}

#[tokio::test]
async fn a_group_that_cannot_hold_all_holds_nothing() {
    let (table, mut binder) = binder(&[]);
    table.refuses_to_add.lock().unwrap().insert(address(2));
    binder.hold(0, wish(&[1, 2]));
    assert!(matches!(next(&mut binder).await, Event::HoldFailed { group: 0, .. }));
    binder.release(0);
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    assert_eq!(table.all(), []);
}

#[tokio::test]
async fn what_a_stranger_removes_is_restored_and_counted() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1, 2]));
    next(&mut binder).await;
    table.steal(address(2));
    binder.notice_removed(address(2));
    let Event::Restored { group: 0, addresses } = next(&mut binder).await else { panic!("not restored") };
    assert_eq!(addresses, [address(2)]);
    assert_eq!(table.all(), [address(1), address(2)]);
}

#[tokio::test]
async fn the_echo_of_an_own_removal_restores_nothing() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1]));
    next(&mut binder).await;
    binder.release(0);
    next(&mut binder).await;
    binder.hold(0, wish(&[1]));
    next(&mut binder).await;
    binder.notice_removed(address(1));
    assert!(tokio::time::timeout(Duration::from_millis(50), binder.next()).await.is_err());
    assert_eq!(table.all(), [address(1)]);
}

#[tokio::test]
async fn a_foreign_copy_is_used_and_never_removed() {
    let (table, mut binder) = binder(&[]);
    table.put(address(1), false);
    binder.hold(0, wish(&[1]));
    assert!(matches!(next(&mut binder).await, Event::FoundForeign { address: found } if found == address(1)));
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
    binder.release(0);
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    assert_eq!(table.all(), [address(1)]);
}

#[tokio::test]
async fn leftovers_are_adopted_by_who_wants_them_and_removed_otherwise() {
    let (table, mut binder) = binder(&[1, 2]);
    binder.hold(0, wish(&[1]));
    binder.remove_leftovers();
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
    let settled = async {
        while table.all() != [address(1)] {
            let _event = tokio::time::timeout(Duration::from_millis(5), binder.next()).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), settled).await.expect("the other one is removed");
}

#[tokio::test]
async fn a_removal_that_fails_is_tried_again() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1]));
    next(&mut binder).await;
    *table.refusals_to_remove.lock().unwrap() = 2;
    binder.release(0);
    assert!(matches!(next(&mut binder).await, Event::Stuck { .. }));
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    assert_eq!(table.all(), []);
}

#[tokio::test]
async fn an_owners_addresses_are_looked_for_and_left_alone() {
    let (table, mut binder) = binder(&[]);
    let owner = Wish { owner: true, ..wish(&[1]) };
    binder.hold(0, owner.clone());
    let Event::HoldFailed { group: 0, error: HoldError::Address(AddressError::NotThere) } =
        next(&mut binder).await
    else {
        panic!("an address that is not there cannot be held")
    };
    binder.release(0);
    next(&mut binder).await;
    table.put(address(1), false);
    binder.hold(0, owner);
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
    binder.release(0);
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    assert_eq!(table.all(), [address(1)]);
}

#[tokio::test]
async fn a_mass_takeover_is_held_group_by_group() {
    let (table, mut binder) = binder(&[]);
    (0..200).for_each(|group| binder.hold(group, wish(&[u8::try_from(group).unwrap()])));
    for _ in 0..200 {
        assert!(matches!(next(&mut binder).await, Event::Held { .. }));
    }
    assert_eq!(table.all().len(), 200);
}

#[tokio::test]
async fn what_cannot_be_removed_is_said_once_and_keeps_no_new_wish_waiting() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1]));
    next(&mut binder).await;
    *table.refusals_to_remove.lock().unwrap() = u32::MAX;
    binder.release(0);
    assert!(
        matches!(next(&mut binder).await, Event::Stuck { remains: Remains::Address(stuck), .. } if stuck == address(1))
    );
    assert!(tokio::time::timeout(RETRY_AFTER * 3, binder.next()).await.is_err(), "said once");
    assert_eq!(binder.bound(), [address(1)].into());
    binder.hold(0, wish(&[2]));
    assert!(matches!(next(&mut binder).await, Event::Held { group: 0 }));
}

#[tokio::test]
async fn a_group_that_leaves_does_not_take_the_address_from_its_successor() {
    let (table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1, 2]));
    next(&mut binder).await;
    binder.hold(1, wish(&[1]));
    assert!(matches!(next(&mut binder).await, Event::Held { group: 1 }));
    binder.release(0);
    assert!(matches!(next(&mut binder).await, Event::Released { group: 0, .. }));
    assert_eq!(table.all(), [address(1)]);
    assert_eq!(*table.removals.lock().unwrap(), [address(2)], "not even for a moment");
}

#[tokio::test]
async fn our_own_copy_does_not_make_the_node_the_owner() {
    let (_table, mut binder) = binder(&[]);
    binder.hold(0, wish(&[1]));
    next(&mut binder).await;
    let owner = Wish { owner: true, ..wish(&[1]) };
    binder.hold(0, owner);
    let Event::HoldFailed { error: HoldError::Address(AddressError::NotThere), .. } = next(&mut binder).await
    else {
        panic!("our own copy is not the interface's address")
    };
}
