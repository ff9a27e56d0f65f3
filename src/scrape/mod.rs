//! Scrape jobs and their candidates: from a phrase to downloaded bytes.
