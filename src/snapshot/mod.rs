//! Frozen membership, labels and split of a dataset: what is trained on.
