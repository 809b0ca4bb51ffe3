//! What waits for a worker, in order, with its number of items at hand. Whatever waits can be taken out by its place, at once.

use super::load::Load;
use crate::engine::call_id::{CallId, Place};
use crate::tuning::KEPT_PLACES;

/// A batch in a chain of those before and behind it.
#[derive(Debug)]
struct Link<B> {
    /// Empty where nothing waits.
    batch: Option<B>,
    /// The one before it; of an empty link, nothing.
    before: usize,
    /// The one behind it; of an empty link, another empty one.
    behind: usize,
}

/// No link.
const NONE: usize = usize::MAX;

#[derive(Debug)]
pub(crate) struct Queue<B> {
    links: Vec<Link<B>>,
    first: usize,
    last: usize,
    /// The first of the empty links.
    empty: usize,
    len: usize,
    items: usize,
}

impl<B> Default for Queue<B> {
    fn default() -> Self {
        Self { links: Vec::new(), first: NONE, last: NONE, empty: NONE, len: 0, items: 0 }
    }
}

impl<B: Load> Queue<B> {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many batches wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many items those have.
    pub(crate) fn items(&self) -> usize {
        self.items
    }

    pub(crate) fn front(&self) -> Option<&B> {
        self.get(Place(self.first))
    }

    pub(crate) fn back(&self) -> Option<&B> {
        self.get(Place(self.last))
    }

    pub(crate) fn get(&self, place: Place) -> Option<&B> {
        self.links.get(place.0)?.batch.as_ref()
    }

    /// The waiting batches in order, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &B)> {
        let behind = |&at: &usize| Some(self.links[at].behind).filter(|&next| next != NONE);
        let places = std::iter::successors(Some(self.first).filter(|&first| first != NONE), behind);
        places.filter_map(|at| Some((Place(at), self.links[at].batch.as_ref()?)))
    }

    /// The waiting batches in any order, to change their histories.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut B> {
        self.links.iter_mut().filter_map(|link| link.batch.as_mut())
    }

    pub(crate) fn push_back(&mut self, batch: B) {
        self.insert(batch, NONE);
    }

    /// Puts a batch that was handed out before ahead of all others; drops one that is empty or not wanted any more.
    pub(crate) fn push_front(&mut self, batch: B) {
        if batch.len() > 0 && batch.is_wanted() {
            self.insert(batch, self.first);
        }
    }

    /// Puts a batch before another, or behind all; tells it where it waits.
    fn insert(&mut self, batch: B, behind: usize) {
        let before = if behind == NONE { self.last } else { self.links[behind].before };
        self.len += 1;
        self.items += batch.len();
        let at = if self.empty == NONE { self.links.len() } else { self.empty };
        batch.waits(Place(at), true);
        let link = Link { batch: Some(batch), before, behind };
        match self.links.get_mut(at) {
            Some(empty) => self.empty = std::mem::replace(empty, link).behind,
            None => self.links.push(link),
        }
        self.join(before, at);
        self.join(at, behind);
    }

    pub(crate) fn pop_front(&mut self) -> Option<B> {
        self.remove(Place(self.first))
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<B> {
        let link = self.links.get_mut(place.0)?;
        let batch = link.batch.take()?;
        let Link { before, behind, .. } = *link;
        link.behind = std::mem::replace(&mut self.empty, place.0);
        self.join(before, behind);
        self.len -= 1;
        self.items -= batch.len();
        if self.len == 0 {
            // A queue that was long once does not keep the memory for ever.
            self.links.clear();
            self.links.shrink_to(KEPT_PLACES);
            self.empty = NONE;
        }
        batch.waits(place, false);
        Some(batch)
    }

    /// Makes two links neighbours; there may be none before or behind.
    fn join(&mut self, before: usize, behind: usize) {
        *self.links.get_mut(before).map_or(&mut self.first, |link| &mut link.behind) = behind;
        *self.links.get_mut(behind).map_or(&mut self.last, |link| &mut link.before) = before;
    }

    /// Takes out the batches for which this is true; returns them in order.
    pub(crate) fn drain_where(&mut self, is_so: impl Fn(&B) -> bool) -> Vec<B> {
        let places: Vec<Place> = self.iter().filter(|(_, batch)| is_so(batch)).map(|(place, _)| place).collect();
        places.into_iter().filter_map(|place| self.remove(place)).collect()
    }

    /// Whether a call waits at this place.
    pub(crate) fn has(&self, call: CallId, place: Place) -> bool {
        self.get(place).is_some_and(|batch| batch.position(call).is_some())
    }

    /// Takes out the call that waits at this place, if it still does.
    pub(crate) fn withdraw(&mut self, call: CallId, place: Place) -> Option<B> {
        let position = self.get(place)?.position(call)?;
        let next = self.links[place.0].behind;
        let (before, with) = self.remove(place)?.split(position);
        let (withdrawn, after) = with.split(1);
        for part in [before, after].into_iter().filter(|part| part.len() > 0) {
            self.insert(part, next);
        }
        Some(withdrawn)
    }
}
