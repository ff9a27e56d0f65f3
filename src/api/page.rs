//! Keyset paging: a page of a list and the cursor of the next one.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{ArrayBuilder, Ref, RefOr, Schema};

use super::problem::Problem;
use crate::db::Named;

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

    /// The same of a list in a named order, which its cursor then names.
    pub(super) fn sorted<K: ToString>(
        items: Vec<T>,
        limit: i64,
        sort: impl Named,
        key: impl Fn(&T) -> K,
    ) -> Self {
        Self::cut(items, limit, |item| format!("{}.{}", sort.name(), key(item).to_string()))
    }
}

/// What is said of a cursor that no page of the list has given.
pub(super) fn no_cursor() -> Problem {
    Problem::invalid("cursor", "must be the next_cursor of a page of this list")
}

/// What a page in the order `sort` begins behind: its cursor without the name of the order.
pub(super) fn behind<K: FromStr>(
    sort: impl Named,
    cursor: Option<&str>,
) -> Result<Option<K>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let (order, key) = cursor.split_once('.').unwrap_or_default();
    if order == sort.name()
        && let Ok(key) = key.parse()
    {
        return Ok(Some(key));
    }
    let message = match all_of(sort).iter().find(|other| other.name() == order) {
        Some(other) if other.name() != sort.name() => {
            format!("is of the order {order}: send sort={order} with it, or no cursor")
        }
        _ => return Err(no_cursor()),
    };
    Err(Problem::invalid("cursor", message))
}

fn all_of<S: Named>(_: S) -> &'static [S] {
    S::ALL
}

/// Rows in a page when the client does not say.
pub(super) fn default_limit() -> i64 {
    50
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::db::Order;

    #[test]
    fn the_last_page_has_no_cursor() {
        let ids = vec![Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
        let page = Page::cut(ids.clone(), 2, |id| *id);
        assert_eq!((page.items.len(), page.next_cursor), (2, Some(ids[1].to_string())));
        assert_eq!(Page::cut(ids, 3, |id| *id).next_cursor, None);
    }

    #[test]
    fn a_cursor_of_another_order_or_of_none_is_refused() {
        let id = Uuid::now_v7();
        let page = Page::sorted(vec![id, id], 1, Order::Oldest, |id| *id);
        let cursor = page.next_cursor.as_deref();
        assert_eq!(behind(Order::Oldest, cursor).ok().flatten(), Some(id));
        for (cursor, said) in [
            (cursor, "sort=oldest"),
            (Some("garbage"), "next_cursor"),
            (Some("newest.x"), "next_cursor"),
            (Some(""), "next_cursor"),
        ] {
            let Err(Problem::Invalid(errors)) = behind::<Uuid>(Order::Newest, cursor) else {
                panic!("{cursor:?} was taken")
            };
            assert!(errors[0].message.contains(said), "{errors:?}");
        }
    }
}
