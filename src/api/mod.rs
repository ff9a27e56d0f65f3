//! HTTP in, nouns out: one file per resource; no SQL, no pixels.
