//! What the lists of what happened have in common: newest first, and filters by the name of a group or node.

use std::fmt;
use std::str::FromStr;

use api_types::{Name, Timestamp};
use chrono::DateTime;
use sqlx::PgConnection;

use super::page::PageQuery;
use super::problem::Problem;
use super::query::{FromParams, Params};
use crate::store::names;

/// A page of what happened, to one group or node or to all.
#[derive(Debug)]
pub(super) struct HistoryQuery<K> {
    /// Which page.
    pub(super) page: PageQuery<Recorded<K>>,
    /// Of what.
    pub(super) of: Names,
}

/// The names that a list of what happened is filtered by.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Only what is about the group of this name.
    pub(super) group: Option<String>,
    /// Only what is about the node of this name.
    pub(super) node: Option<String>,
}

impl Names {
    /// Why nothing was found: not found, where a name occurs nowhere. An empty page would say that nothing happened
    /// to what has the name.
    pub(super) async fn check(&self, conn: &mut PgConnection) -> Result<(), Problem> {
        let mut unknown = Vec::new();
        if let Some(name) = &self.group
            && !names::is_of_a_group(conn, name).await?
        {
            unknown.push(("group", name));
        }
        if let Some(name) = &self.node
            && !names::is_of_a_node(conn, name).await?
        {
            unknown.push(("node", name));
        }
        if unknown.is_empty() { Ok(()) } else { Err(Problem::unknown_names(&unknown)) }
    }
}

impl<K: FromStr> FromParams for HistoryQuery<K> {
    fn from_params(params: &mut Params) -> Option<Self> {
        let page = PageQuery::from_params(params);
        let group = params.optional::<Name>("group");
        let node = params.optional::<Name>("node");
        let of = Names { group: group?.map(String::from), node: node?.map(String::from) };
        Some(Self { page: page?, of })
    }
}

/// The place of an item in its list: when it was recorded, and its id among those of the same microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded<K> {
    /// When.
    pub(super) at: Timestamp,
    /// Its id.
    pub(super) id: K,
}

impl<K> Recorded<K> {
    /// As the store orders by it.
    pub(super) fn key(self) -> (Timestamp, K) {
        (self.at, self.id)
    }
}

impl<K: fmt::Display> fmt::Display for Recorded<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.at.as_datetime().timestamp_micros(), self.id)
    }
}

/// The text is no place in a list of what happened.
#[derive(Debug)]
pub(super) struct NotRecorded;

impl<K: FromStr> FromStr for Recorded<K> {
    type Err = NotRecorded;

    fn from_str(text: &str) -> Result<Self, NotRecorded> {
        let (at, id) = text.split_once('/').ok_or(NotRecorded)?;
        // Nothing was recorded before 1970, and no column holds times of long before.
        let micros = at.parse().ok().filter(|micros| *micros >= 0).ok_or(NotRecorded)?;
        let at = DateTime::from_timestamp_micros(micros).ok_or(NotRecorded)?;
        Ok(Self { at: at.into(), id: id.parse().map_err(|_| NotRecorded)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let at = DateTime::from_timestamp_micros(1_795_380_077_000_123).unwrap().into();
        let place = Recorded { at, id: 42_i64 };
        assert_eq!(place.to_string().parse::<Recorded<i64>>().ok(), Some(place));
        for bad in ["", "42", "/42", "1/", "1/x", "-1/42", "-9000000000000000000/1", "9223372036854775807/1"]
        {
            assert!(bad.parse::<Recorded<i64>>().is_err(), "{bad}");
        }
    }
}
