//! The models that answer now, swapped as one while photos are being answered for.

use std::sync::Arc;

use super::{Served, Target};
use crate::db::ModelId;
use crate::model::Listing;

/// An active model, loaded.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) listing: Listing,
    pub(super) served: Arc<Served>,
}

/// The active models, the service's default first. The first few are loaded ahead; the others when first asked for.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) loaded: Vec<Slot>,
    pub(super) others: Vec<Listing>,
}

/// What a request's target stands for.
pub(super) enum Found {
    /// Ready to answer.
    Ready(Slot),
    /// Known, and still to be loaded.
    Listed(Listing),
    /// Not among the active ones.
    Missing,
}

impl Slots {
    pub(super) fn find(&self, target: &Target<'_>) -> Found {
        let wanted = |listing: &Listing| match target {
            Target::Default => true,
            Target::Model(id) => listing.id == *id,
            Target::Dataset(name) => {
                listing.dataset == *name || listing.dataset_id.to_string() == *name
            }
        };
        if let Some(slot) = self.loaded.iter().find(|slot| wanted(&slot.listing)) {
            return Found::Ready(slot.clone());
        }
        match self.others.iter().find(|listing| wanted(listing)) {
            Some(listing) => Found::Listed(listing.clone()),
            None => Found::Missing,
        }
    }

    pub(super) fn served(&self, model: ModelId) -> Option<Arc<Served>> {
        let slot = self.loaded.iter().find(|slot| slot.listing.id == model);
        slot.map(|slot| Arc::clone(&slot.served))
    }

    /// The slot of the same dataset, whatever its model.
    pub(super) fn of_same_dataset(&self, listing: &Listing) -> Option<&Slot> {
        self.loaded.iter().find(|slot| slot.listing.dataset_id == listing.dataset_id)
    }
}
