//! Work that is too slow for the dataplane's thread: one thread without real-time scheduling that does it in turn.
//!
//! The kernel takes a link down, or away, within the system call that asks for it: 10 to 20 ms in which the caller can
//! send no advertisement. A program that is started takes as long.

use std::io;
use std::sync::mpsc::{Sender, channel};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The thread, in the network namespace of the one that started it. It ends once this is dropped and what was begun is
/// done.
#[derive(Debug, Clone)]
pub(super) struct Background {
    jobs: Sender<Job>,
}

impl Background {
    /// Starts it.
    ///
    /// # Errors
    /// When the kernel gives it no thread.
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let work = move || queue.into_iter().for_each(|job| job());
        std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self { jobs })
    }

    /// Has `work` done after everything before it; `None` when it panicked. Begins at once, whether or not the future is
    /// ever asked.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        let (answer, outcome) = oneshot::channel();
        let job = move || {
            // Nobody may wait for it any longer.
            let _unheard = answer.send(work());
        };
        let _ended = self.jobs.send(Box::new(job));
        Box::pin(async { outcome.await.ok() })
    }
}
