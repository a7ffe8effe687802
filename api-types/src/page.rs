//! One page of a list.

use serde::{Deserialize, Serialize};

/// One page of a list, and where the next begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items of this page, in the order of the list.
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the next page; `null` on the last page. Opaque.
    pub next_cursor: Option<String>,
}
