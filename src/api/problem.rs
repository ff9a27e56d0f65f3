//! The only way a request fails: RFC 9457 `application/problem+json`.

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{self, RefOr};
use utoipa::{IntoResponses, ToSchema};

use crate::{blobs, db};

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// Path of the field, as `recipe.epochs` or `classes[0].name`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl FieldError {
    /// `message` about `field`.
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// Field and message; the message alone where it is about the whole request.
    fn sentence(&self) -> String {
        if self.field.is_empty() {
            return format!("the request {}", self.message);
        }
        format!("{}: {}", self.field, self.message)
    }
}

/// Why a request failed. Each variant is one status; `code` says more to a program, `detail` to a person.
#[derive(Debug)]
pub(super) enum Problem {
    /// 400: the request cannot be read at all.
    Malformed(String),
    /// 404: the named thing does not exist.
    NotFound(&'static str),
    /// 405: the route exists, the method does not.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    Timeout,
    /// 409: the request does not fit the present state.
    Conflict(&'static str, String),
    /// 413: the body is larger than the route takes.
    TooLarge(String),
    /// 415: the body is of a type that the route does not take.
    UnsupportedMediaType(String),
    /// 422: readable, but a field breaks a rule.
    Invalid(Vec<FieldError>),
    /// 422: readable, but what it points at does not fit in the fields named; the code says why.
    Unfit(&'static str, Vec<FieldError>),
    /// 422: readable, but what it holds or points at cannot be used; the code says why.
    Unprocessable(&'static str, String),
    /// 429: the queue of the route is full; the same request may succeed after a second.
    TooManyRequests(String),
    /// 503: something that the request needs is not there now.
    Unavailable(&'static str, String),
    /// 500: our mistake; the cause is logged, not shown.
    Internal(anyhow::Error),
}

impl Problem {
    /// A 422 about one field.
    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    fn parts(&self) -> (StatusCode, &'static str, &'static str, String) {
        use StatusCode as S;
        match self {
            Self::Malformed(d) => {
                (S::BAD_REQUEST, "malformed_request", "Malformed request", d.clone())
            }
            Self::NotFound(what) => {
                (S::NOT_FOUND, "not_found", "Not found", format!("there is no such {what}"))
            }
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
                "the Allow header lists the methods of this path".into(),
            ),
            Self::Timeout => (
                S::REQUEST_TIMEOUT,
                "request_timeout",
                "Request timeout",
                "the request did not arrive in time".into(),
            ),
            Self::Conflict(code, d) => (S::CONFLICT, code, "Conflict", d.clone()),
            Self::TooLarge(d) => {
                (S::PAYLOAD_TOO_LARGE, "too_large", "Content too large", d.clone())
            }
            Self::UnsupportedMediaType(d) => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Unsupported media type",
                d.clone(),
            ),
            Self::Invalid(errors) => {
                (S::UNPROCESSABLE_ENTITY, "invalid_request", "Invalid request", sentences(errors))
            }
            Self::Unfit(code, errors) => {
                (S::UNPROCESSABLE_ENTITY, code, "Unprocessable content", sentences(errors))
            }
            Self::Unprocessable(code, d) => {
                (S::UNPROCESSABLE_ENTITY, code, "Unprocessable content", d.clone())
            }
            Self::TooManyRequests(d) => {
                (S::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests", d.clone())
            }
            Self::Unavailable(code, d) => {
                (S::SERVICE_UNAVAILABLE, code, "Service unavailable", d.clone())
            }
            Self::Internal(_) => (
                S::INTERNAL_SERVER_ERROR,
                "internal_error",
                "Internal error",
                "the server made a mistake; its log has the cause under the x-request-id".into(),
            ),
        }
    }

    fn retryable(&self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::TooManyRequests(_) | Self::Unavailable(..) | Self::Internal(_)
        )
    }
}

fn sentences(errors: &[FieldError]) -> String {
    errors.iter().map(FieldError::sentence).collect::<Vec<_>>().join("; ")
}

/// The body of every failed request (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// Always `about:blank`: the meaning is in `code`.
    pub r#type: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// Stable machine-readable code.
    pub code: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The fields that break a rule; only with 422.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// The failures that every operation documents.
pub(super) struct Failures;

impl IntoResponses for Failures {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let response = |description: &str| {
            let body = openapi::ContentBuilder::new()
                .schema(Some(openapi::Ref::from_schema_name("Problem")))
                .build();
            openapi::ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", body)
                .build()
                .into()
        };
        BTreeMap::from([
            ("4XX".to_owned(), response("The request is wrong, or does not fit the present state")),
            ("5XX".to_owned(), response("The service cannot answer now")),
        ])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retryable = self.retryable();
        let (status, code, title, detail) = self.parts();
        if let Self::Internal(cause) = &self {
            tracing::error!(error = format!("{cause:#}"), "request failed");
        }
        let errors = match self {
            Self::Invalid(errors) | Self::Unfit(_, errors) => errors,
            _ => Vec::new(),
        };
        let body = ProblemBody {
            r#type: "about:blank",
            title,
            status: status.as_u16(),
            detail,
            code,
            retryable,
            errors,
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        // Text that Postgres cannot hold (a NUL, say) is the client's mistake.
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match code.as_deref() {
            Some("22021" | "22P05") => {
                Self::Malformed("the request holds a character that cannot be stored".into())
            }
            _ if db::is_transient(&error) || matches!(error, sqlx::Error::PoolClosed) => {
                tracing::warn!(%error, "database unavailable");
                Self::Unavailable("database_unavailable", "the database does not answer".into())
            }
            _ => Self::Internal(error.into()),
        }
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<sqlx::Error>() {
            Ok(error) => error.into(),
            Err(error) if error.is::<blobs::Unavailable>() => {
                tracing::warn!(error = format!("{error:#}"), "blob store unavailable");
                Self::Unavailable("blob_store_unavailable", "the blob store does not answer".into())
            }
            Err(error) => Self::Internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_says_whether_a_retry_can_help() {
        assert!(Problem::TooManyRequests("full".into()).retryable());
        assert!(!Problem::invalid("limit", "must be positive").retryable());
        assert_eq!(Problem::NotFound("dataset").parts().0, StatusCode::NOT_FOUND);
    }
}
