//! Bytes that are no JSON, as the document shows them.

use utoipa::ToSchema;

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "stands in the document for bytes that a handler reads or writes")]
pub(super) struct Binary(Vec<u8>);
