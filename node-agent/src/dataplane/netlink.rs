//! The connection over which the kernel is asked to change something, or to show what it has.
//!
//! A request that the kernel does not answer, or whose connection has broken, is made once more over a new
//! connection. So whatever is asked must be such that asking twice does no harm: what is there already, or
//! gone already, is no error to whoever asks. A refusal is an answer, and is not asked again.
//!
//! The kernel does what it is asked within the system call that asks, and one lock of it (`rtnl_lock`) serves
//! every network namespace of the host: whoever asks may wait tens of milliseconds for a container that comes
//! or goes. Advertisements must not wait with it, so the system calls are made on a thread that does nothing
//! else, with the dataplane's scheduling.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_core::{ErrorMessage, NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use thiserror::Error;

use crate::sys::realtime;

/// How long the kernel may take to answer. It answers within the request, so nothing comes that has not come
/// by then.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Why a request came to nothing.
#[derive(Debug, Error)]
pub(super) enum NetlinkError {
    /// The kernel said no.
    #[error("the kernel refused: {0}")]
    Refused(#[source] io::Error),
    /// It said nothing, twice.
    #[error("the netlink connection failed: {0}")]
    Broken(String),
}

impl NetlinkError {
    /// What the kernel said.
    pub(super) fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused(error) => error.raw_os_error(),
            Self::Broken(_) => None,
        }
    }
}

impl From<rtnetlink::Error> for NetlinkError {
    fn from(error: rtnetlink::Error) -> Self {
        if let rtnetlink::Error::NetlinkError(ErrorMessage { code: Some(code), .. }) = error {
            return Self::Refused(io::Error::from_raw_os_error(-code.get()));
        }
        Self::Broken(error.to_string())
    }
}

impl From<NetlinkError> for io::Error {
    fn from(error: NetlinkError) -> Self {
        match error {
            NetlinkError::Refused(error) => error,
            NetlinkError::Broken(_) => Self::other(error),
        }
    }
}

/// Asks the kernel.
pub(super) struct Netlink {
    connection: Mutex<Connection>,
    carrier: Carrier,
}

/// Which thread makes the system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    /// One of its own.
    OwnThread,
    /// The caller's.
    Caller,
}

#[derive(Clone)]
struct Connection {
    handle: Handle,
    /// Nothing that is asked over it is answered any longer, and requests end as if they had been.
    has_ended: Arc<AtomicBool>,
}

impl Netlink {
    /// Connects to the kernel from a thread of its own, in the network namespace of the caller. That thread
    /// ends with the connection. Needs a tokio runtime with a clock.
    ///
    /// # Errors
    /// When the kernel gives no netlink socket or no thread.
    pub(super) fn connect() -> io::Result<Self> {
        Self::connect_from(Carrier::OwnThread)
    }

    /// Connects to the kernel from the caller's thread, whose tokio runtime then carries the connection: for
    /// who has no advertisements to send.
    ///
    /// # Errors
    /// When the kernel gives no netlink socket.
    pub(super) fn connect_here() -> io::Result<Self> {
        Self::connect_from(Carrier::Caller)
    }

    fn connect_from(carrier: Carrier) -> io::Result<Self> {
        Ok(Self { connection: Mutex::new(Connection::open(carrier)?), carrier })
    }

    /// What the kernel answers to the request that `make` makes.
    ///
    /// # Errors
    /// [`NetlinkError`] as it says.
    pub(super) async fn request<T, F>(&self, make: impl Fn(Handle) -> F) -> Result<T, NetlinkError>
    where
        F: Future<Output = Result<T, rtnetlink::Error>>,
    {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match connection.answer(&make).await {
            Err(NetlinkError::Broken(_)) => self.replacement(&connection)?.answer(&make).await,
            outcome => outcome,
        }
    }

    /// Has the kernel carry out a message for which there is no request of its own.
    ///
    /// # Errors
    /// [`NetlinkError`] as it says.
    pub(super) async fn change(&self, message: RouteNetlinkMessage, flags: u16) -> Result<(), NetlinkError> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let make = |mut handle: Handle| {
            let request = request.clone();
            async move {
                let mut answers = handle.request(request)?;
                while let Some(answer) = answers.next().await {
                    if let NetlinkPayload::Error(error) = answer.payload
                        && error.code.is_some()
                    {
                        return Err(rtnetlink::Error::NetlinkError(error));
                    }
                }
                Ok(())
            }
        };
        self.request(make).await
    }

    /// The connection in the place of one that has broken. Whoever finds that first opens it for all.
    fn replacement(&self, broken: &Connection) -> Result<Connection, NetlinkError> {
        let mut current = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current.has_ended, &broken.has_ended) {
            *current =
                Connection::open(self.carrier).map_err(|error| NetlinkError::Broken(error.to_string()))?;
        }
        Ok(current.clone())
    }
}

impl Connection {
    fn open(carrier: Carrier) -> io::Result<Self> {
        let has_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&has_ended);
        let carry = |connection: rtnetlink::proto::Connection<RouteNetlinkMessage>| async move {
            connection.await;
            ended.store(true, Ordering::Relaxed);
        };
        let handle = match carrier {
            Carrier::Caller => {
                let (connection, handle, _messages) = rtnetlink::new_connection()?;
                tokio::spawn(carry(connection));
                handle
            }
            Carrier::OwnThread => {
                let (tell, told) = std::sync::mpsc::sync_channel(1);
                std::thread::Builder::new().name("netlink".to_owned()).spawn(move || {
                    let _as_granted = realtime::request(realtime::Thread::Dataplane);
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
                    let connected = runtime.and_then(|runtime| {
                        let _context = runtime.enter();
                        let (connection, handle, _messages) = rtnetlink::new_connection()?;
                        Ok((runtime, connection, handle))
                    });
                    match connected {
                        Ok((runtime, connection, handle)) => {
                            // Whoever asked may be gone, and its end of the connection with it.
                            let _unheard = tell.send(Ok(handle));
                            runtime.block_on(carry(connection));
                        }
                        Err(error) => drop(tell.send(Err(error))),
                    }
                })?;
                told.recv().map_err(|_| io::Error::other("the thread has ended"))??
            }
        };
        Ok(Self { handle, has_ended })
    }

    async fn answer<T, F>(&self, make: impl Fn(Handle) -> F) -> Result<T, NetlinkError>
    where
        F: Future<Output = Result<T, rtnetlink::Error>>,
    {
        let silent = |_| NetlinkError::Broken(format!("no answer for {} s", ANSWER_WITHIN.as_secs()));
        let outcome = tokio::time::timeout(ANSWER_WITHIN, make(self.handle.clone())).await.map_err(silent)?;
        if self.has_ended.load(Ordering::Relaxed) {
            return Err(NetlinkError::Broken("it has ended".to_owned()));
        }
        Ok(outcome?)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::num::NonZeroI32;

    use super::*;

    #[tokio::test]
    async fn a_request_that_is_not_answered_is_made_once_more_over_a_new_connection() {
        let netlink = Netlink::connect().unwrap();
        let made = Cell::new(0);
        let outcome = netlink.request(|_| {
            made.set(made.get() + 1);
            let made = made.get();
            async move { if made == 1 { std::future::pending().await } else { Ok(made) } }
        });
        assert_eq!(outcome.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_kernel_that_never_answers_keeps_nobody_waiting_for_ever() {
        let netlink = Netlink::connect().unwrap();
        let outcome: Result<(), _> = netlink.request(|_| std::future::pending()).await;
        assert!(
            matches!(&outcome, Err(NetlinkError::Broken(why)) if why.contains("no answer")),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn a_connection_that_has_ended_is_replaced_for_all_who_used_it() {
        let netlink = Netlink::connect().unwrap();
        netlink.connection.lock().unwrap().has_ended.store(true, Ordering::Relaxed);
        let broken = netlink.connection.lock().unwrap().clone();
        // The kernel answers; that nobody would have heard it is what counts.
        assert_eq!(netlink.request(|_| async { Ok(1) }).await.unwrap(), 1);
        let opened = netlink.connection.lock().unwrap().clone();
        assert!(!Arc::ptr_eq(&opened.has_ended, &broken.has_ended));
        let again = netlink.replacement(&broken).unwrap();
        assert!(Arc::ptr_eq(&opened.has_ended, &again.has_ended), "one new connection is enough");
    }

    #[tokio::test]
    async fn what_the_kernel_refuses_is_not_asked_again() {
        let netlink = Netlink::connect().unwrap();
        let made = Cell::new(0);
        let outcome: Result<(), _> = netlink
            .request(|_| {
                made.set(made.get() + 1);
                let mut refusal = ErrorMessage::default();
                refusal.code = NonZeroI32::new(-libc::ENODEV);
                async { Err(rtnetlink::Error::NetlinkError(refusal)) }
            })
            .await;
        assert_eq!((outcome.unwrap_err().errno(), made.get()), (Some(libc::ENODEV), 1));
    }
}
