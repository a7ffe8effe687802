//! What a worker says before it ends: that it is about to stop, has stopped, or has left everything to
//! another.

use std::sync::atomic::Ordering;

use super::SharedMemory;

impl SharedMemory {
    /// Says that the dataplane of the worker `process` has heard that it shall stop.
    pub(crate) fn begin_stop(&self, process: u32) {
        self.header(13).store(process.into(), Ordering::Release);
    }

    /// Whether that dataplane has said so.
    pub(crate) fn has_begun_stop(&self, process: u32) -> bool {
        self.header(13).load(Ordering::Acquire) == u64::from(process)
    }

    /// Says that the worker was told to stop and has released everything: all that is left for it is to end.
    pub(crate) fn finish(&self) {
        self.header(5).store(1, Ordering::Release);
    }

    /// Whether the worker has said so.
    pub(crate) fn is_finished(&self) -> bool {
        self.header(5).load(Ordering::Acquire) != 0
    }

    /// Says that the dataplane of the worker `process` has ended and left everything as it was, for another
    /// to go on with at once, while its process still has things to do.
    pub(crate) fn hand_over(&self, process: u32) {
        self.header(11).store(process.into(), Ordering::Release);
    }

    /// Nobody was told to hand over yet.
    pub(crate) fn forget_handover(&self) {
        self.header(11).store(0, Ordering::Release);
    }

    /// Whether that worker has said so.
    pub(crate) fn has_handed_over(&self, process: u32) -> bool {
        self.header(11).load(Ordering::Acquire) == u64::from(process)
    }
}
