//! Bytes to a known picture: sniff, decode, thumbnail, fingerprint, quality, tensor.
