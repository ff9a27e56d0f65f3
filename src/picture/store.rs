//! Pictures in the database: facts by SHA-256, and the pairs that look the same.

use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};

use super::{Facts, Format, MAX_DHASH_DISTANCE, MAX_PHASH_DISTANCE, Scores};
use crate::db::Sha256;

/// Any number; all searches for pairs take it, so that two pictures arriving together see each other.
const PAIRING_LOCK: i64 = 0x7069_6374;

/// Records a picture and its near-duplicates; false when its bytes were erased and stay away.
pub async fn insert(connection: &mut PgConnection, facts: &Facts) -> sqlx::Result<bool> {
    if let Some(erased) = erased(&mut *connection, facts.sha256).await? {
        return Ok(!erased);
    }
    query!("select pg_advisory_xact_lock($1)", PAIRING_LOCK).execute(&mut *connection).await?;
    let inserted = query!(
        "insert into pictures (sha256, bytes, format, width, height, dhash, phash, brightness,
                               contrast, sharpness, entropy, dark, light, blurry,
                               low_information, grayscale)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         on conflict (sha256) do nothing",
        facts.sha256 as Sha256,
        facts.bytes,
        facts.format as Format,
        facts.width,
        facts.height,
        facts.dhash as i64,
        facts.phash as i64,
        facts.quality.brightness,
        facts.quality.contrast,
        facts.quality.sharpness,
        facts.quality.entropy,
        facts.scores.map(|scores| scores.dark),
        facts.scores.map(|scores| scores.light),
        facts.scores.map(|scores| scores.blurry),
        facts.scores.map(|scores| scores.low_information),
        facts.scores.map(|scores| scores.grayscale),
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 1 {
        pair(connection, facts).await?;
    }
    Ok(true)
}

async fn erased(executor: impl PgExecutor<'_>, sha256: Sha256) -> sqlx::Result<Option<bool>> {
    query_scalar!(
        r#"select erased_at is not null as "erased!" from pictures where sha256 = $1"#,
        sha256 as Sha256,
    )
    .fetch_optional(executor)
    .await
}

/// Two perceptual hashes within four bits agree in one of five bands (the pigeonhole principle), each with an
/// index of its own; the exact distances are then counted on those few rows.
async fn pair(connection: &mut PgConnection, facts: &Facts) -> sqlx::Result<()> {
    const { assert!(MAX_PHASH_DISTANCE < 5, "five bands find at most four differing bits") };
    query!(
        "insert into near_duplicates (a, b, dhash_distance, phash_distance)
         select least(p.sha256, $1), greatest(p.sha256, $1), d.dhash, d.phash
         from (
             select * from pictures where (phash & 8191) = ($3::bigint & 8191)
             union select * from pictures where ((phash >> 13) & 8191) = (($3::bigint >> 13) & 8191)
             union select * from pictures where ((phash >> 26) & 8191) = (($3::bigint >> 26) & 8191)
             union select * from pictures where ((phash >> 39) & 8191) = (($3::bigint >> 39) & 8191)
             union select * from pictures where ((phash >> 52) & 4095) = (($3::bigint >> 52) & 4095)
         ) p
         cross join lateral (select bit_count((p.dhash # $2)::bit(64)) as dhash,
                                    bit_count((p.phash # $3)::bit(64)) as phash) d
         where p.sha256 <> $1 and d.dhash <= $4 and d.phash <= $5",
        facts.sha256 as Sha256,
        facts.dhash as i64,
        facts.phash as i64,
        i64::from(MAX_DHASH_DISTANCE),
        i64::from(MAX_PHASH_DISTANCE),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The scores of a picture; `None` while its full-size pixels have not been looked at.
pub async fn find_scores(
    executor: impl PgExecutor<'_>,
    sha256: Sha256,
) -> sqlx::Result<Option<Scores>> {
    query_as!(
        Scores,
        r#"select dark as "dark!", light as "light!", blurry as "blurry!",
               low_information as "low_information!", grayscale as "grayscale!"
           from pictures where sha256 = $1 and grayscale is not null"#,
        sha256 as Sha256,
    )
    .fetch_optional(executor)
    .await
}

/// Records the scores of a picture that arrived without them.
pub async fn set_scores(
    executor: impl PgExecutor<'_>,
    sha256: Sha256,
    scores: &Scores,
) -> sqlx::Result<()> {
    query!(
        "update pictures
         set dark = $2, light = $3, blurry = $4, low_information = $5, grayscale = $6
         where sha256 = $1",
        sha256 as Sha256,
        scores.dark,
        scores.light,
        scores.blurry,
        scores.low_information,
        scores.grayscale,
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Leaves a tombstone: the bytes are to be erased everywhere, and a later scrape skips them.
pub async fn erase(executor: impl PgExecutor<'_>, sha256: Sha256) -> sqlx::Result<()> {
    query!(
        "update pictures set erased_at = coalesce(erased_at, now()) where sha256 = $1",
        sha256 as Sha256,
    )
    .execute(executor)
    .await?;
    Ok(())
}
