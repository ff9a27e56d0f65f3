//! A durable task queue on Postgres; it knows nothing of images.
