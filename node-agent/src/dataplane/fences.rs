//! How the fences stand, from the parts of the dataplane that know.

use api_types::fences::{FenceStatus, Fences};

use crate::config::FenceSettings;

/// How a fence stands that the configuration may turn off; `status` is asked only if it does not.
fn unless_off(wanted: bool, status: impl FnOnce() -> FenceStatus) -> FenceStatus {
    if wanted { status() } else { FenceStatus::off() }
}

/// What none of the parts knows yet how to do.
fn not_built(wanted: bool) -> FenceStatus {
    unless_off(wanted, || FenceStatus::not_armed("this version of the agent does not have it"))
}

/// How each fence stands.
pub(super) fn status(wanted: FenceSettings) -> Fences {
    Fences {
        guard: not_built(wanted.guard),
        nftables_lease: not_built(wanted.nftables_lease),
        address_lease: not_built(wanted.address_lease),
        self_check: not_built(wanted.self_check),
    }
}
