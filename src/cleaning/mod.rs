//! Cleaning jobs, verdicts, quarantine and reviews.
