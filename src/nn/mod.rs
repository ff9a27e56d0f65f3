//! The numeric core: convolution, pooling, dropout, initialisers, optimiser, seeded randomness. No I/O.
