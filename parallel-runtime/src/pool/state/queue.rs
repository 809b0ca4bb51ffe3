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
    before: Place,
    /// The one behind it; of an empty link, another empty one.
    behind: Place,
}

#[derive(Debug)]
pub(crate) struct Queue<B> {
    links: Vec<Link<B>>,
    first: Place,
    last: Place,
    /// The first of the empty links.
    empty: Place,
    len: usize,
    items: usize,
}

impl<B> Default for Queue<B> {
    fn default() -> Self {
        Self { links: Vec::new(), first: Place::NOWHERE, last: Place::NOWHERE, empty: Place::NOWHERE, len: 0, items: 0 }
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
        self.get(self.first)
    }

    pub(crate) fn back(&self) -> Option<&B> {
        self.get(self.last)
    }

    pub(crate) fn get(&self, place: Place) -> Option<&B> {
        self.link(place)?.batch.as_ref()
    }

    fn link(&self, place: Place) -> Option<&Link<B>> {
        self.links.get(place.index())
    }

    /// The waiting batches in order, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &B)> {
        let behind = |&at: &Place| self.link(at).map(|link| link.behind);
        let places = std::iter::successors(Some(self.first), behind);
        places.map_while(|at| Some((at, self.get(at)?)))
    }

    /// The waiting batches in any order, to change their histories.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut B> {
        self.links.iter_mut().filter_map(|link| link.batch.as_mut())
    }

    /// # Panics
    ///
    /// When more wait than can be counted in 32 bits: their memory would be gone long before.
    pub(crate) fn push_back(&mut self, batch: B) {
        self.insert(batch, Place::NOWHERE);
    }

    /// Puts a batch that was handed out before ahead of all others; drops one that is empty or not wanted any more.
    pub(crate) fn push_front(&mut self, batch: B) {
        if batch.len() > 0 && batch.is_wanted() {
            self.insert(batch, self.first);
        }
    }

    /// Puts a batch before another, or behind all; tells it where it waits.
    fn insert(&mut self, batch: B, behind: Place) {
        let before = self.link(behind).map_or(self.last, |next| next.before);
        self.len += 1;
        self.items += batch.len();
        let at = if self.empty == Place::NOWHERE { Place::new(self.links.len()) } else { self.empty };
        batch.waits(at, true);
        let link = Link { batch: Some(batch), before, behind };
        match self.links.get_mut(at.index()) {
            Some(empty) => self.empty = std::mem::replace(empty, link).behind,
            None => self.links.push(link),
        }
        self.join(before, at);
        self.join(at, behind);
    }

    pub(crate) fn pop_front(&mut self) -> Option<B> {
        self.remove(self.first)
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<B> {
        let link = self.links.get_mut(place.index())?;
        let batch = link.batch.take()?;
        let (before, behind) = (link.before, link.behind);
        link.behind = std::mem::replace(&mut self.empty, place);
        self.join(before, behind);
        self.len -= 1;
        self.items -= batch.len();
        if self.len == 0 {
            // A queue that was long once does not keep the memory for ever.
            self.links.clear();
            self.links.shrink_to(KEPT_PLACES);
            self.empty = Place::NOWHERE;
        }
        batch.waits(place, false);
        Some(batch)
    }

    /// Makes two links neighbours; there may be none before or behind.
    fn join(&mut self, before: Place, behind: Place) {
        *self.links.get_mut(before.index()).map_or(&mut self.first, |link| &mut link.behind) = behind;
        *self.links.get_mut(behind.index()).map_or(&mut self.last, |link| &mut link.before) = before;
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
        let next = self.link(place)?.behind;
        let (before, with) = self.remove(place)?.split(position);
        let (withdrawn, after) = with.split(1);
        for part in [before, after].into_iter().filter(|part| part.len() > 0) {
            self.insert(part, next);
        }
        Some(withdrawn)
    }
}
