//! A create in one transaction, answered once per `Idempotency-Key`.

use axum::extract::FromRequestParts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::problem::Problem;
use crate::db::Sha256;
use crate::db::idempotency::{self, Stored};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The client's key, with the route it is for; absent when the client sent none.
pub(super) struct IdempotencyKey {
    key: Option<String>,
    route: String,
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        debug_assert!(parts.method == Method::POST || parts.method == Method::PUT);
        let key = match parts.headers.get(&IDEMPOTENCY_KEY) {
            None => None,
            Some(value) => Some(parse_key(value)?),
        };
        Ok(Self { key, route: format!("{} {}", parts.method, parts.uri.path()) })
    }
}

fn parse_key(value: &HeaderValue) -> Result<String, Problem> {
    match value.to_str() {
        Ok(text) if (1..=255).contains(&text.len()) => Ok(text.to_owned()),
        _ => Err(Problem::invalid("Idempotency-Key", "must be 1 to 255 visible ASCII characters")),
    }
}

/// How the document shows the key.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "its fields are read by the derive alone")]
pub(super) struct IdempotencyHeader {
    /// Repeats of a create with the same key answer what the first one answered; kept 24 hours.
    #[param(rename = "Idempotency-Key", nullable = false, min_length = 1, max_length = 255)]
    key: Option<String>,
}

/// Either the transaction to create in, or the answer that the first request with this key got.
pub(super) enum Begun {
    /// Create in here, then answer by [`Creation::answer`].
    New(Creation),
    /// The stored answer.
    Replayed(Response),
}

/// An open transaction that ends with the stored answer.
pub(super) struct Creation {
    transaction: Transaction<'static, Postgres>,
    key: IdempotencyKey,
    digest: Sha256,
}

impl IdempotencyKey {
    /// Opens the transaction of a create. A concurrent request with the same key waits here until the first ends.
    pub(super) async fn begin(self, pool: &PgPool, body: &[u8]) -> Result<Begun, Problem> {
        self.begin_with(pool, Sha256::of(body)).await
    }

    /// The same for a body that is too large to be in memory.
    pub(super) async fn begin_with(self, pool: &PgPool, digest: Sha256) -> Result<Begun, Problem> {
        let mut transaction = pool.begin().await?;
        let Some(key) = &self.key else {
            return Ok(Begun::New(Creation { transaction, key: self, digest }));
        };
        match idempotency::claim(&mut transaction, &self.route, key, digest).await? {
            None => Ok(Begun::New(Creation { transaction, key: self, digest })),
            Some(stored) => replay(stored, digest).map(Begun::Replayed),
        }
    }
}

fn replay(stored: Stored, digest: Sha256) -> Result<Response, Problem> {
    if stored.body_sha256 != digest {
        return Err(Problem::invalid(
            "Idempotency-Key",
            "this key was used with another request body",
        ));
    }
    let status = stored.status.and_then(|s| StatusCode::from_u16(s as u16).ok());
    let status = status.unwrap_or(StatusCode::OK);
    Ok(respond(status, stored.location.as_deref(), stored.response.unwrap_or_default()))
}

fn respond(status: StatusCode, location: Option<&str>, body: String) -> Response {
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let mut response = (status, json, body).into_response();
    if let Some(location) = location.and_then(|l| HeaderValue::from_str(l).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

impl Creation {
    /// The transaction, for the statements of the create.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Commits, and answers `status` with `body` and where to find it.
    pub(super) async fn answer(
        mut self,
        status: StatusCode,
        location: Option<String>,
        body: &impl Serialize,
    ) -> Result<Response, Problem> {
        let body = serde_json::to_string(body).map_err(anyhow::Error::from)?;
        if let Some(key) = &self.key.key {
            let stored = Stored {
                body_sha256: self.digest,
                status: Some(status.as_u16() as i16),
                location: location.clone(),
                response: Some(body.clone()),
            };
            idempotency::store(&mut *self.transaction, &self.key.route, key, &stored).await?;
        }
        self.transaction.commit().await?;
        Ok(respond(status, location.as_deref(), body))
    }
}
