//! Turns at a host, shared by processes through the database.

use std::time::Duration;

use shipshape::queue::pace::{self, Ask, Turn};
use shipshape::scrape::SharedPace;
use shipshape::scrape::fetch::{self, Pace, Slot};

use crate::support::database;

const TURN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn two_processes_share_the_turns_of_a_host() {
    let database = database().await;
    let other = shipshape::db::connect(&database.url, 4).await.unwrap();
    let paces = [SharedPace::new(database.pool.clone()), SharedPace::new(other)];
    let ask = fetch::Ask { host: "a.example", interval: TURN, patience: Duration::from_mins(1) };
    let turns = (0..10).map(|n| paces[n % 2].reserve(ask));
    let mut waits: Vec<Duration> = futures::future::try_join_all(turns)
        .await
        .unwrap()
        .into_iter()
        .map(|slot| match slot {
            Slot::Taken(wait) => wait,
            Slot::Busy(wait) => panic!("busy for {wait:?}"),
        })
        .collect();
    waits.sort_unstable();
    for (n, wait) in waits.iter().enumerate() {
        let due = TURN * n as u32;
        assert!(*wait <= due && *wait + TURN > due, "turn {n} after {wait:?}");
    }
    let elsewhere = fetch::Ask { host: "b.example", ..ask };
    assert_eq!(paces[0].reserve(elsewhere).await.unwrap(), Slot::Taken(Duration::ZERO));
}

#[tokio::test]
async fn a_turn_too_far_away_is_not_taken_and_a_pause_moves_it() {
    let database = database().await;
    let mut connection = database.pool.acquire().await.unwrap();
    let ask = Ask { key: "host:a", interval: TURN, patience: TURN };
    pace::pause(&mut *connection, "host:a", TURN * 10).await.unwrap();
    for _ in 0..3 {
        let turn = pace::reserve_within(&mut connection, ask).await.unwrap();
        assert!(matches!(turn, Turn::Busy(wait) if wait > TURN * 9), "{turn:?}");
    }
    let patient = Ask { patience: TURN * 20, ..ask };
    let turn = pace::reserve_within(&mut connection, patient).await.unwrap();
    assert!(matches!(turn, Turn::Taken(wait) if wait > TURN * 9 && wait <= TURN * 10), "{turn:?}");
    let turn = pace::reserve_within(&mut connection, patient).await.unwrap();
    assert!(matches!(turn, Turn::Taken(wait) if wait > TURN * 10), "{turn:?}");
    assert!(pace::paused(&mut *connection, "host:a").await.unwrap() > TURN * 9);
    assert_eq!(pace::paused(&mut *connection, "host:b").await.unwrap(), Duration::ZERO);
}

#[tokio::test]
async fn a_plain_limit_spaces_its_calls() {
    let database = database().await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(pace::reserve(&database.pool, "tagger", TURN).await.unwrap());
    }
    assert_eq!(waits[0], Duration::ZERO);
    assert!(waits[3] > TURN * 2 && waits[3] <= TURN * 3, "{waits:?}");
}
