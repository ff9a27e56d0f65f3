//! One file per task kind: load the noun, call it, store the result, enqueue what follows.
//!
//! The registry: a new kind is one file and one line in [`handlers`].

mod bytes_removal;
mod cleaning_check;
mod cleaning_label;
mod cleaning_learn;
mod cleaning_plan;
mod housekeeping;
mod import_archive;
mod quarantine;
mod scrape_fetch;
mod scrape_search;
mod snapshot_freeze;
mod training_run;

pub use self::housekeeping::keep_house;

use std::sync::Arc;

use crate::app::App;
use crate::queue::Handler;

/// A handler of each kind.
pub fn handlers(app: &Arc<App>) -> Vec<Arc<dyn Handler>> {
    vec![
        Arc::new(bytes_removal::BytesRemoval { app: app.clone() }),
        Arc::new(cleaning_check::CleaningCheck { app: app.clone() }),
        Arc::new(cleaning_label::CleaningLabel { app: app.clone() }),
        Arc::new(cleaning_learn::CleaningLearn { app: app.clone() }),
        Arc::new(cleaning_plan::CleaningPlan { app: app.clone() }),
        Arc::new(quarantine::Quarantine { app: app.clone() }),
        Arc::new(import_archive::ImportArchive { app: app.clone() }),
        Arc::new(scrape_search::ScrapeSearch { app: app.clone() }),
        Arc::new(scrape_fetch::ScrapeFetch::new(app.clone())),
        Arc::new(snapshot_freeze::SnapshotFreeze { app: app.clone() }),
        Arc::new(training_run::TrainingRun::new(app.clone())),
    ]
}
