//! The sample web and the client that drives the public API over it.
