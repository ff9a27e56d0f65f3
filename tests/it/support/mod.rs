//! What several tests share: servers that stand in for outside services.

pub(crate) mod rekognition;
pub(crate) mod s3;
