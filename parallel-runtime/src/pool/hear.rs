//! Hearing a worker: what it sends on its control channel is taken in, and what concerns its start is told apart.

use std::os::fd::OwnedFd;

use super::seat::{Large, Seat};
use crate::error::Error;
use crate::job::error_of;
use crate::process::control::{Incoming, Report};
use crate::wire::payload::Payload;

/// Takes what a worker has sent; returns what of it concerns its start. False: its side is closed.
pub(crate) fn hear(seat: &mut Seat) -> (Vec<StartReport>, bool) {
    let mut start = Vec::new();
    loop {
        match seat.child.control().receive(false) {
            Ok(Incoming::Message(report, descriptors)) => start.extend(keep(seat, report, descriptors)),
            Ok(Incoming::Nothing) => return (start, true),
            Ok(Incoming::End) => return (start, false),
            Err(_) => {
                // Only a worker whose memory is spoilt sends what cannot be read.
                seat.child.end();
                return (start, false);
            }
        }
    }
}

/// What a worker said of its start.
pub(crate) enum StartReport {
    Ready(Option<Payload>),
    Failed(Error),
    Refused(String),
}

fn keep(seat: &mut Seat, report: Report, mut descriptors: Vec<OwnedFd>) -> Option<StartReport> {
    match report {
        // What is lost of these two shows when it is looked for.
        Report::Large { parcel, item, package, failed } => {
            if let Ok(entry) = seat.store.unpack(package, &mut descriptors) {
                seat.large.insert((parcel, item), Large { entry, failed });
            }
            None
        }
        Report::Handles(notes) => {
            let _ = seat.store.keep(&notes, descriptors);
            None
        }
        Report::Started => Some(StartReport::Ready(None)),
        Report::Value(package) => match seat.store.unpack(package, &mut descriptors) {
            Ok(value) => Some(StartReport::Ready(Some(value))),
            Err(error) => Some(StartReport::Refused(format!("its initializer's result was lost: {error}"))),
        },
        Report::Failed(failure) if seat.life.has_reported_in() => {
            seat.last_words = Some(error_of(failure));
            None
        }
        Report::Failed(failure) => Some(StartReport::Failed(error_of(failure))),
        Report::Refused(text) => Some(StartReport::Refused(text)),
    }
}
