//! Extractors whose rejections are problems: JSON bodies, paths and queries.

use std::error::Error as _;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, header, request::Parts};
use bytes::Bytes;
use garde::Validate;
use serde::de::DeserializeOwned;
use tower_http::timeout::TimeoutError;

use super::problem::{FieldError, Problem};
use super::wording::{field_error, shape};

/// JSON bodies are this large at most; a list of 100,000 URLs fits.
pub(super) const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;

/// A JSON body that parsed and keeps its type's rules, with the bytes it came from.
pub(super) struct Json<T> {
    /// The parsed body.
    pub value: T,
    /// The body as sent; an idempotency key is bound to it.
    pub body: Bytes,
}

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        let body = read_body(request, MAX_JSON_BYTES).await?;
        let value: T = parse_json(&body)?;
        value.validate().map_err(|report| Problem::Invalid(field_errors(&report)))?;
        Ok(Self { value, body })
    }
}

/// That there is no body, or an empty object: what would be in another one has no effect, and its sender should know.
pub(super) struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = read_body(request, 1024).await?;
        if matches!(body.trim_ascii(), b"" | b"{}") {
            return Ok(Self);
        }
        Err(Problem::invalid("", "this takes no body"))
    }
}

/// The whole body, if it is at most `limit` bytes long.
pub(super) async fn read_body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|error| {
        if caused_by::<http_body_util::LengthLimitError>(&error) {
            Problem::TooLarge(format!("the body may be {limit} bytes long"))
        } else if caused_by::<TimeoutError>(&error) {
            Problem::Timeout
        } else {
            Problem::Malformed("the body ended early".into())
        }
    })
}

/// Whether an `E` is among the causes of an error.
pub(super) fn caused_by<E: std::error::Error + 'static>(
    error: &(dyn std::error::Error + 'static),
) -> bool {
    std::iter::successors(Some(error), |error| (*error).source())
        .any(<dyn std::error::Error>::is::<E>)
}

/// Refuses what no handler is to see: a request for two hosts, and a body that says how it is compressed; none is
/// ever unpacked, however small it is.
pub(super) async fn admissible(request: Request) -> Result<Request, Problem> {
    let headers = request.headers();
    if headers.get_all(header::HOST).iter().count() > 1 {
        return Err(Problem::Malformed("a request has one Host header".into()));
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            Err(Problem::UnsupportedMediaType("send the body uncompressed".into()))
        }
        _ => Ok(request),
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let mut parts = text.split(';').map(|p| p.trim().to_ascii_lowercase());
    let json = parts.next().is_some_and(|mime| mime == "application/json");
    let utf8 = parts.all(|p| !p.starts_with("charset=") || p.trim_matches('"') == "charset=utf-8");
    if json && utf8 {
        return Ok(());
    }
    Err(Problem::UnsupportedMediaType("send application/json in UTF-8".into()))
}

/// Parses a body, naming the field that does not fit.
pub(super) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::Malformed("the body is not UTF-8".into()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => {
                Problem::Invalid(vec![field_error(&field, &error.to_string())])
            }
            _ if is_no_json_number(text, &error) => {
                Problem::invalid(field, "must be a finite number that JSON can write")
            }
            _ => Problem::Malformed(format!("the body is not JSON: {error}")),
        }
    })?;
    deserializer
        .end()
        .map_err(|_| Problem::Malformed("there is something behind the JSON value".into()))?;
    // Postgres text holds no NUL, and nothing of ours needs one.
    if text.contains("\\u0000") && serde_json::from_str(text).is_ok_and(|v| holds_nul(&v)) {
        return Err(Problem::invalid("", "may not hold a NUL character"));
    }
    Ok(value)
}

/// Whether reading ended at what other languages write for a number (`NaN`, `-Infinity`), or at one that is too large.
fn is_no_json_number(text: &str, error: &serde_json::Error) -> bool {
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let at = error.column().saturating_sub(1).min(line.len());
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let (before, behind) = line.as_bytes().split_at(at);
    let begin = at - before.iter().rev().take_while(|byte| part(byte)).count();
    let end = at + behind.iter().take_while(|byte| part(byte)).count();
    let token = line.get(begin..end).unwrap_or_default();
    let not_finite = ["nan", "infinity", "inf"];
    let written = token.trim_start_matches(['+', '-']).to_ascii_lowercase();
    not_finite.contains(&written.as_str()) || written.parse::<f64>().is_ok_and(f64::is_infinite)
}

fn holds_nul(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(map) => map.iter().any(|(k, v)| k.contains('\0') || holds_nul(v)),
        _ => false,
    }
}

fn field_errors(report: &garde::Report) -> Vec<FieldError> {
    report.iter().map(|(path, error)| FieldError::new(path.to_string(), error.message())).collect()
}

/// Path parameters.
pub(super) struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value))
            .map_err(|rejection| Problem::Invalid(vec![path_error(rejection)]))
    }
}

fn path_error(rejection: PathRejection) -> FieldError {
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else {
        return FieldError::new("path", "has parameters that cannot be read");
    };
    match failed.into_kind() {
        ErrorKind::DeserializeError { key, message, .. } => field_error(&key, &message),
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
            FieldError::new(key, format!("must be {}", shape(expected_type)))
        }
        ErrorKind::InvalidUtf8InPathParam { key } => FieldError::new(key, "is not UTF-8"),
        other => field_error("path", &other.to_string()),
    }
}

fn query_error(rejection: &QueryRejection) -> FieldError {
    // The cause is "limit: invalid digit …", or only the message where no parameter was reached.
    let cause = rejection.source().map(ToString::to_string).unwrap_or_default();
    match cause.split_once(": ") {
        Some((name, message)) if !name.contains(' ') => field_error(name, message),
        _ => field_error("", &cause),
    }
}

/// Query parameters that parsed and keep their type's rules.
pub(super) struct Query<T>(pub T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::invalid("query", "text may not hold a NUL character"));
        }
        let axum::extract::Query(value) = axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map_err(|rejection| Problem::Invalid(vec![query_error(&rejection)]))?;
        value.validate().map_err(|report| Problem::Invalid(field_errors(&report)))?;
        Ok(Self(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only parsed")]
        limit: u32,
    }

    #[test]
    fn a_wrong_type_names_its_field() {
        let Err(Problem::Invalid(errors)) = parse_json::<Body>(br#"{"limit": "5"}"#) else {
            panic!("accepted")
        };
        assert_eq!(errors[0].field, "limit");
    }

    #[test]
    fn a_number_that_json_cannot_write_names_its_field() {
        for number in ["NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999"] {
            let body = format!("{{\"recipe\": {{\"epochs\": 3,\n \"rate\": {number}, \"a\": 1}}}}");
            let Err(Problem::Invalid(errors)) = parse_json::<serde_json::Value>(body.as_bytes())
            else {
                panic!("{body}")
            };
            assert_eq!(errors[0].field, "recipe.rate", "{number}");
        }
        let nothing = parse_json::<serde_json::Value>(br#"{"rate": nun}"#);
        assert!(matches!(nothing, Err(Problem::Malformed(_))));
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in [&b""[..], b"{", b"{\"limit\":1} x", b"\xff", b"\xef\xbb\xbf{}"] {
            assert!(matches!(parse_json::<Body>(body), Err(Problem::Malformed(_))), "{body:?}");
        }
    }

    #[test]
    fn a_nul_in_a_text_is_invalid_and_an_escaped_backslash_is_not() {
        let nul = parse_json::<serde_json::Value>(br#"{"a": ["\u0000"]}"#);
        assert!(matches!(nul, Err(Problem::Invalid(_))));
        assert!(parse_json::<serde_json::Value>(br#"{"a": "\\u0000"}"#).is_ok());
    }
}
