//! Datasets, classes, references and images, and their counts.
