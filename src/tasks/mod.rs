//! One file per task kind: load the noun, call it, store the result, enqueue what follows.
