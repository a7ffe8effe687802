//! What the lists of what happened have in common: newest first, and filters by the name of a group or node.

use std::str::FromStr;

use api_types::Name;

use super::page::PageQuery;
use super::query::{FromParams, Params};

/// A page of what happened, to one group or node or to all.
#[derive(Debug)]
pub(super) struct HistoryQuery<K> {
    /// Which page.
    pub(super) page: PageQuery<K>,
    /// Only what is about the group of this name.
    pub(super) group: Option<String>,
    /// Only what is about the node of this name.
    pub(super) node: Option<String>,
}

impl<K: FromStr> FromParams for HistoryQuery<K> {
    fn from_params(params: &mut Params) -> Option<Self> {
        let page = PageQuery::from_params(params);
        let group = params.optional::<Name>("group");
        let node = params.optional::<Name>("node");
        Some(Self { page: page?, group: group?.map(String::from), node: node?.map(String::from) })
    }
}
