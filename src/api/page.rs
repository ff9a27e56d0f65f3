//! Keyset paging: a page of a list and the cursor of the next one.

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{ArrayBuilder, Ref, RefOr, Schema};

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The rows.
    #[schema(schema_with = rows::<T>)]
    pub items: Vec<T>,
    /// Give it back as `cursor` to get the next page; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The rows by the name of their schema: the derive would write it out in every page.
fn rows<T: ToSchema>() -> RefOr<Schema> {
    ArrayBuilder::new()
        .items(Ref::from_schema_name(T::name()))
        .description(Some("The rows."))
        .into()
}

impl<T> Page<T> {
    /// The page out of at most `limit + 1` rows that were read: the extra one tells that there are more.
    /// `key` gives what the next page begins behind.
    pub(super) fn cut<K: ToString>(mut items: Vec<T>, limit: i64, key: impl Fn(&T) -> K) -> Self {
        let more = items.len() as i64 > limit;
        items.truncate(limit as usize);
        let next_cursor = items.last().filter(|_| more).map(|last| key(last).to_string());
        Self { items, next_cursor }
    }
}

/// Rows in a page when the client does not say.
pub(super) fn default_limit() -> i64 {
    50
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_last_page_has_no_cursor() {
        let ids = vec![Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
        let page = Page::cut(ids.clone(), 2, |id| *id);
        assert_eq!((page.items.len(), page.next_cursor), (2, Some(ids[1].to_string())));
        assert_eq!(Page::cut(ids, 3, |id| *id).next_cursor, None);
    }
}
