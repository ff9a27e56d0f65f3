//! A photo to an answer: decode, tensor, engine.
