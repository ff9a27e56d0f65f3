//! The shipshape command.

fn main() {}
