//! Bytes by key, on the local disk or in S3.
