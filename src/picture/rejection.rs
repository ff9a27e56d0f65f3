//! Why some bytes did not become a picture.

/// Why some bytes did not become a picture; permanent, so no retry helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The bytes are no picture of any known format.
    #[error("the bytes are not a picture")]
    NotImage,
    /// A picture, in a format that is not decoded.
    #[error("{0} pictures are not supported; JPEG, PNG, WebP and GIF are")]
    UnsupportedFormat(&'static str),
    /// More bytes than allowed.
    #[error("the file has {bytes} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Length of the file.
        bytes: usize,
        /// The cap.
        limit: usize,
    },
    /// The header announces more pixels, or more memory to decode them, than allowed.
    #[error("{width} × {height} pixels are more than is accepted")]
    TooManyPixels {
        /// Pixels across, as announced.
        width: u32,
        /// Pixels down, as announced.
        height: u32,
    },
    /// A side is shorter than the caller asked for.
    #[error("{width} × {height} pixels are too few: each side needs at least {min_side}")]
    TooSmall {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The least side.
        min_side: u32,
    },
    /// The data end before the picture does.
    #[error("the file ends before the picture does")]
    Truncated,
    /// The decoder gave up.
    #[error("the picture cannot be decoded: {0}")]
    Undecodable(String),
}

impl Rejection {
    /// The stable machine code, as outcomes and problems carry it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotImage => "not_image",
            Self::UnsupportedFormat(_) => "unsupported_format",
            Self::TooLarge { .. } => "too_large",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::TooSmall { .. } => "too_small",
            Self::Truncated => "truncated",
            Self::Undecodable(_) => "undecodable",
        }
    }
}

impl From<image::ImageError> for Rejection {
    fn from(error: image::ImageError) -> Self {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            let io = cause.downcast_ref::<std::io::Error>();
            if io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof) {
                return Self::Truncated;
            }
            source = cause.source();
        }
        Self::Undecodable(error.to_string())
    }
}
