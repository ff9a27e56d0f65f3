//! The migrations apply, explain every column, and refuse a newer database in one sentence.

use shipshape::db;

use crate::support::database;

#[tokio::test]
async fn every_table_and_column_has_a_comment() {
    let database = database().await;
    let (columns, silent): (i64, Vec<String>) = sqlx::query_as(
        // A view's columns are those of its tables; what it adds stands in its own comment.
        "
        select
            count(*),
            coalesce(array_agg(c.relname || '.' || a.attname)
                filter (where col_description(c.oid, a.attnum) is null), '{}')
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
            and c.relname <> '_sqlx_migrations'
        ",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert!(columns >= 20, "only {columns} columns were seen");
    assert_eq!(silent, Vec::<String>::new());
    let silent: Vec<String> = sqlx::query_scalar(
        "
        select relname::text from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
            and relname <> '_sqlx_migrations' and obj_description(oid, 'pg_class') is null
        ",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert_eq!(silent, Vec::<String>::new());
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let database = database().await;
    let (first, second) = tokio::join!(db::migrate(&database.pool), db::migrate(&database.pool));
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_in_one_sentence() {
    let database = database().await;
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'from the future', true, '', 0)",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    let error = format!("{:#}", db::migrate(&database.pool).await.unwrap_err());
    assert!(error.contains("newer shipshape"), "{error}");
    assert!(error.contains("9999"), "{error}");
}

#[tokio::test]
async fn ids_made_by_the_database_sort_by_time() {
    let database = database().await;
    let ids: Vec<uuid::Uuid> =
        sqlx::query_scalar("select new_id() from generate_series(1, 50) as n order by n")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    assert!(ids.iter().all(|id| id.get_version_num() == 7));
    assert!(ids.iter().all(|id| id.get_variant() == uuid::Variant::RFC4122));
    let millis = ids[0].get_timestamp().unwrap().to_unix().0;
    assert!(millis.abs_diff(chrono::Utc::now().timestamp().unsigned_abs()) < 60);
    // Two within one microsecond may swap; those a millisecond apart never do.
    let slow: Vec<uuid::Uuid> = sqlx::query_scalar(
        "select new_id() from (select pg_sleep(0.001) from generate_series(1, 20)) as s",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert!(slow.is_sorted(), "{slow:?}");
}
