//! What the sample web shows and the truth about it: the service never sees this list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use url::form_urlencoded::byte_serialize;

use super::planted;
use crate::demo::collection::{Collection, Picture, generator};
use crate::demo::labels::{shares, top_of};

/// What stands behind a stored picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A picture of the class that was searched for.
    Class,
    /// Something else.
    Clutter,
    /// A faulty or repeated file that the demo planted: a smaller copy, a tiny picture, half a file.
    Planted,
}

/// The truth about one file, by its sha256.
#[derive(Debug, Clone)]
pub struct Truth {
    /// The class whose search shows it.
    pub class: String,
    /// What it really is.
    pub kind: Kind,
    /// Whether it shares a tag with the top k of that class's references.
    pub shares_tag: bool,
}

/// What happens to who follows a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// The picture.
    Served,
    /// The picture, by way of a redirect to another host.
    Redirected,
    /// A picture that another hit has shown already.
    Repeated,
    /// 404.
    Missing,
    /// A web page that calls itself `image/jpeg`.
    WebPage,
    /// The first part of a file, sent as if it were all.
    HalfFile,
    /// A connection that breaks before the promised length.
    BrokenOff,
    /// A body that never ends.
    Endless,
    /// A path that `robots.txt` forbids.
    Forbidden,
    /// No hit at all: a tile that cannot be parsed.
    BadTile,
}

/// One tile of the search results.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Which image host.
    pub host: usize,
    /// Path on that host.
    pub path: String,
    /// What the tile says.
    pub title: String,
    /// The engine's own digest, 32 hexadecimal digits.
    pub engine_md5: String,
    /// What happens on a download.
    pub fate: Fate,
    /// The picture behind it.
    pub picture: Arc<Picture>,
}

/// All searches, all files, and the truth.
#[derive(Debug, Default)]
pub struct Listing {
    searches: HashMap<String, Vec<Hit>>,
    by_path: HashMap<(usize, String), Hit>,
    pictures: HashMap<String, Arc<Picture>>,
    truths: HashMap<String, Truth>,
}

/// Hosts that behave, and one that does not.
pub(super) const GOOD_HOSTS: usize = 3;
/// The one that does not.
pub(super) const BAD_HOST: usize = GOOD_HOSTS;

impl Listing {
    /// The search results of every class, in an order drawn from the seed. `k` is the tag rule's.
    pub fn new(collection: &Collection, k: usize, seed: u64) -> Self {
        let mut listing = Self::default();
        for class in &collection.classes {
            let top = top_of(class.references.iter().map(|r| r.labels.as_slice()), k);
            let mut hits = Vec::new();
            for (kind, pictures) in [(Kind::Class, &class.found), (Kind::Clutter, &class.clutter)] {
                for picture in pictures {
                    let picture = Arc::new(picture.clone());
                    listing.note(&picture, (&class.name, kind), &top);
                    hits.push(served(&class.name, hits.len(), picture));
                }
            }
            for picture in class.references.iter().chain([&class.held_out]) {
                listing.pictures.insert(picture.sha256.clone(), Arc::new(picture.clone()));
            }
            let mut rng = generator(seed, &class.name);
            let (faulty, files) = planted::faults(&class.name, &hits, &mut rng);
            for picture in &files {
                listing.note(picture, (&class.name, Kind::Planted), &top);
            }
            let (beyond_parsing, faulty): (Vec<Hit>, Vec<Hit>) =
                faulty.into_iter().partition(|hit| hit.fate == Fate::BadTile);
            hits.extend(faulty);
            hits.shuffle(&mut rng);
            // Not on the last page, which may have one tile: a page of bad tiles is a sign of another kind.
            for tile in beyond_parsing {
                hits.insert(rng.random_range(0..hits.len() / 2), tile);
            }
            let followed = hits.iter().filter(|hit| hit.fate != Fate::BadTile);
            listing.by_path.extend(followed.map(|hit| ((hit.host, hit.path.clone()), hit.clone())));
            listing.searches.insert(class.phrase.to_lowercase(), hits);
        }
        listing
    }

    fn note(
        &mut self,
        picture: &Arc<Picture>,
        (class, kind): (&str, Kind),
        top: &BTreeSet<String>,
    ) {
        let shares_tag = shares(&picture.labels, top);
        let truth = Truth { class: class.to_owned(), kind, shares_tag };
        self.truths.insert(picture.sha256.clone(), truth);
        self.pictures.insert(picture.sha256.clone(), picture.clone());
    }

    /// The hits for a phrase; none for a phrase that no class has.
    pub fn search(&self, phrase: &str) -> &[Hit] {
        self.searches.get(&phrase.trim().to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The hit behind a path of a host.
    pub fn at(&self, host: usize, path: &str) -> Option<&Hit> {
        self.by_path.get(&(host, path.to_owned()))
    }

    /// The picture with this digest, references and held-out ones included.
    pub fn picture(&self, sha256: &str) -> Option<&Arc<Picture>> {
        self.pictures.get(sha256)
    }

    /// Every picture that the web knows.
    pub fn pictures(&self) -> impl Iterator<Item = &Arc<Picture>> {
        self.pictures.values()
    }

    /// What a stored file really is.
    pub fn truth(&self, sha256: &str) -> Option<&Truth> {
        self.truths.get(sha256)
    }

    /// Tiles of each fate over all searches.
    pub fn fates(&self) -> BTreeMap<Fate, usize> {
        let mut counts = BTreeMap::new();
        for hit in self.searches.values().flatten() {
            *counts.entry(hit.fate).or_default() += 1;
        }
        counts
    }
}

fn served(class: &str, index: usize, picture: Arc<Picture>) -> Hit {
    let folder: String = byte_serialize(class.as_bytes()).collect();
    // Many pictures of the web have no extension in their address.
    let path = match index % 5 {
        0 => format!("/img/{folder}/{}/0", index + 1),
        1 => format!("/photos/{folder}/{}.JPG?w=1024", index + 1),
        _ => format!("/img/{folder}/{}.jpg", index + 1),
    };
    Hit {
        host: index % GOOD_HOSTS,
        path,
        title: format!("{} – picture {}", class.replace('-', " "), index + 1),
        engine_md5: picture.sha256[..32].to_owned(),
        fate: Fate::Served,
        picture,
    }
}
