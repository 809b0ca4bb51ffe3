//! The input of a map: an iterator, or a receiver of std's, which can be asked without waiting.

use std::iter::Fuse;
use std::sync::mpsc::TryRecvError;

use crate::wire::cast::ReceiverOf;

/// Where a map's items come from.
pub(crate) enum Input<I: Iterator> {
    Iterator(Fuse<I>),
    /// Asked without waiting while outcomes are under way: the loop that takes them may be what feeds it.
    Receiver(ReceiverOf<I>),
}

/// What an input says when it is asked without waiting.
pub(super) enum Asked<T> {
    Item(T),
    /// Nothing for now.
    NothingYet,
    End,
}

impl<I: Iterator> Input<I> {
    /// The input of a lazy map.
    pub(super) fn of<Items: IntoIterator<IntoIter = I, Item = I::Item>>(items: Items) -> Self {
        match ReceiverOf::take(items) {
            Ok(receiver) => Self::Receiver(receiver),
            Err(items) => Self::Iterator(items.into_iter().fuse()),
        }
    }

    /// The next item; an iterator may wait for it all the same.
    #[inline]
    pub(super) fn ask(&mut self) -> Asked<I::Item> {
        match self {
            Self::Iterator(items) => items.next().map_or(Asked::End, Asked::Item),
            Self::Receiver(items) => match items.try_recv() {
                Ok(item) => Asked::Item(item),
                Err(TryRecvError::Empty) => Asked::NothingYet,
                Err(TryRecvError::Disconnected) => Asked::End,
            },
        }
    }
}

impl<I: Iterator> Iterator for Input<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        match self {
            Self::Iterator(items) => items.next(),
            Self::Receiver(items) => items.recv().ok(),
        }
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<I::Item> {
        match self {
            Self::Iterator(items) => items.nth(n),
            Self::Receiver(items) => items.iter().nth(n),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Iterator(items) => items.size_hint(),
            Self::Receiver(_) => (0, None),
        }
    }
}
