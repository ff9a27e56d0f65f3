//! The pace that all workers share: it begins slowly, gives way to a refusal, and comes back.

use std::time::Duration;

use shipshape::queue::pace::{reserve_ramped, slow_down};

use crate::support::database;

const KEY: &str = "tagger";

#[tokio::test]
async fn a_ramped_pace_begins_slowly_gives_way_and_comes_back() {
    let database = database().await;
    let pool = &database.pool;
    // Seconds between two turns, of which 100 are allowed.
    let apart = async || {
        let turn = async || reserve_ramped(pool, KEY, Duration::from_secs(100)).await.unwrap();
        let (first, second) = (turn().await, turn().await);
        second.checked_sub(first).unwrap().as_secs_f64()
    };
    let change = async |what: &'static str| {
        sqlx::query(what).execute(pool).await.unwrap();
    };
    // At a quarter of the rate at first, and faster soon.
    assert!((200.0..=400.0).contains(&apart().await));
    let long_ago = "update pace set slowed_at = now() - interval '2 hours 1.5 seconds'";
    change(long_ago).await;
    assert!((90.0..=100.0).contains(&apart().await));
    // Refusals of the same moment are one.
    slow_down(pool, KEY).await.unwrap();
    change("update pace set slowed_at = clock_timestamp()").await;
    slow_down(pool, KEY).await.unwrap();
    assert!((101.0..=200.0).contains(&apart().await));
    change("update pace set slowed_at = slowed_at - interval '2 seconds'").await;
    slow_down(pool, KEY).await.unwrap();
    assert!((201.0..=400.0).contains(&apart().await));
    for _ in 0..9 {
        change("update pace set slowed_at = slowed_at - interval '2 seconds'").await;
        slow_down(pool, KEY).await.unwrap();
    }
    assert!((400.0..=1600.0).contains(&apart().await), "there is a slowest pace");
    change(long_ago).await;
    assert!((90.0..=100.0).contains(&apart().await));
    // Who has not called for a while begins slowly again.
    change("update pace set next_at = now() - interval '2 minutes'").await;
    assert!((200.0..=400.0).contains(&apart().await));
}
