//! Lists, page by page: `?limit=` and an opaque `?cursor=` that names the last item of the page before.

use std::fmt::{self, Display};
use std::str::FromStr;

use api_types::Page;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::query::{FromParams, Params};

const LIMIT_DEFAULT: i64 = 100;
const LIMIT_MAX: i64 = 500;

/// Which page of a list is asked for; the list is ordered by a key `K`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageQuery<K> {
    /// How many items a page has at most: 1 to 500, 100 when not given.
    pub limit: i64,
    /// The key of the last item of the page before; `None` for the first page.
    pub after: Option<K>,
}

impl<K> PageQuery<K> {
    /// How many rows to ask the store for: one more than the page has, to see whether there is another page.
    #[must_use]
    pub const fn rows(&self) -> i64 {
        self.limit.saturating_add(1)
    }

    /// The page made from the rows of the store, which were asked for with [`Self::rows`].
    #[must_use]
    pub fn page<T>(&self, mut rows: Vec<T>, key: impl FnOnce(&T) -> K) -> Page<T>
    where
        K: Display,
    {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|last| Cursor(key(last)).to_string());
        Page { items: rows, next_cursor }
    }
}

impl<K: FromStr> FromParams for PageQuery<K> {
    fn from_params(params: &mut Params) -> Option<Self> {
        let limit = params.optional::<Limit>("limit");
        let cursor = params.optional::<Cursor<K>>("cursor");
        Some(Self {
            limit: limit?.map_or(LIMIT_DEFAULT, |Limit(limit)| limit),
            after: cursor?.map(|Cursor(key)| key),
        })
    }
}

/// How many items a page has at most.
struct Limit(i64);

/// The text is no limit.
struct LimitError(String);

impl Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not allowed; 1 to {LIMIT_MAX} are", self.0)
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.map(Self).ok_or_else(|| LimitError(text.to_owned()))
    }
}

/// A key in the form that clients pass back.
struct Cursor<K>(K);

/// The text is no cursor of this list.
struct CursorError;

impl Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a cursor of this list: pass next_cursor of the page before, unchanged")
    }
}

impl<K: Display> Display for Cursor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("1:{}", self.0)))
    }
}

impl<K: FromStr> FromStr for Cursor<K> {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let octets = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let text = String::from_utf8(octets).map_err(|_| CursorError)?;
        let key = text.strip_prefix("1:").ok_or(CursorError)?;
        key.parse().map(Self).map_err(|_| CursorError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_way_to_the_client_and_back() {
        let cursor = Cursor(42_i64).to_string();
        assert_eq!(cursor.parse::<Cursor<i64>>().map(|Cursor(key)| key).ok(), Some(42));
        for bad in ["", "42", "MTo", "!!", "MjoxMg"] {
            assert!(bad.parse::<Cursor<i64>>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_full_page_with_more_behind_it_has_a_cursor() {
        let query = PageQuery { limit: 2, after: None::<i64> };
        assert_eq!(query.page(vec![1_i64, 2], |item| *item).next_cursor, None);
        let page = query.page(vec![1_i64, 2, 3], |item| *item);
        assert_eq!(page.items, [1, 2]);
        assert_eq!(page.next_cursor, Some(Cursor(2).to_string()));
    }
}
