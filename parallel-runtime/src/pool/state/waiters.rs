//! The callers that wait for outcomes: one of them leads, which is to say that it hears the workers. The others follow: each sleeps
//! until its own outcome is there, or the lead is handed on to it.

use std::collections::BTreeMap;

/// Tells a caller that waits from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The callers that wait; `W` is how one is woken.
#[derive(Debug)]
pub(crate) struct Waiters<W> {
    leader: Option<(Ticket, W)>,
    /// Nobody follows where nobody leads.
    followers: BTreeMap<Ticket, W>,
    next: u64,
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self { leader: None, followers: BTreeMap::new(), next: 0 }
    }
}

impl<W> Waiters<W> {
    /// A caller waits from now on; it leads if no other does.
    pub(crate) fn join(&mut self, waiter: W) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        match &self.leader {
            None => self.leader = Some((ticket, waiter)),
            Some(_) => drop(self.followers.insert(ticket, waiter)),
        }
        ticket
    }

    /// A caller waits no more. Where it led, the one that has followed for longest leads now: it is to be woken.
    #[must_use]
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<&W> {
        if !self.leads(ticket) {
            self.followers.remove(&ticket);
            return None;
        }
        self.leader = self.followers.pop_first();
        self.leader()
    }

    pub(crate) fn leads(&self, ticket: Ticket) -> bool {
        self.leader.as_ref().is_some_and(|(leading, _)| *leading == ticket)
    }

    pub(crate) fn leader(&self) -> Option<&W> {
        self.leader.as_ref().map(|(_, waiter)| waiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lead_is_handed_on_to_one_and_nobody_follows_where_nobody_leads() {
        let mut waiters = Waiters::default();
        let tickets = ["a", "b", "c", "d"].map(|name| waiters.join(name));
        assert!(waiters.leads(tickets[0]));
        assert_eq!(waiters.leave(tickets[1]), None);
        assert_eq!(waiters.leave(tickets[0]), Some(&"c"));
        // One that comes later does not go ahead.
        let last = waiters.join("e");
        assert_eq!(waiters.leave(tickets[2]), Some(&"d"));
        assert_eq!(waiters.leave(tickets[2]), None);
        assert_eq!(waiters.leave(tickets[3]), Some(&"e"));
        assert!(waiters.leads(last));
        assert_eq!(waiters.leave(last), None);
        assert_eq!(waiters.leader(), None);
    }
}
