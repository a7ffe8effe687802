//! How a caller names a row that operators wrote.

use api_types::Name;
use uuid::Uuid;

/// The id or the name of a segment, node, group or check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// By its id.
    Id(Uuid),
    /// By its name.
    Name(Name),
}

impl Key {
    /// The id, if it is one.
    pub(super) const fn id(&self) -> Option<Uuid> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Name(_) => None,
        }
    }

    /// The name, if it is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Name(name) => Some(name.as_str()),
        }
    }
}
