//! Scrape jobs and their candidates: from a phrase to downloaded bytes.

mod candidate;
pub mod fetch;
mod job;
mod outcome;
mod pace;
pub mod source;

pub use candidate::{Candidate, OpenCandidate, Outcome, OutcomeFilter, UnknownOutcome};
pub use job::{Locked, NewScrapeJob, SEARCH, ScrapeJob, ScrapeJobFilter, Search, search_task};
pub use outcome::OutcomeKind;
pub use pace::SharedPace;

pub use self::candidate::{
    count_open, insert as insert_candidates, is_open, list as list_candidates,
    list_open as list_open_candidates, list_open_of, settle as settle_candidate,
    settle_all as settle_candidates, skip_open,
};
pub use self::job::{
    count_missing, count_stored, find as find_job, find_dataset, find_search, finish as finish_job,
    insert as insert_job, list as list_jobs, lock as lock_job, move_class as move_jobs,
    reopen as reopen_job, start as start_job, turn_page,
};
