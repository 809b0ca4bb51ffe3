//! The token: how a process learns what it is for, and finds the channel to its parent.

use std::ffi::{CStr, CString};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::environment;
use crate::sys::Number;
use crate::sys::program;
use crate::sys::rights::Kept;
use crate::sys::socket::Socket;

/// Raised with every change to what parent and worker say to each other. They are one program, so it differs only when
/// the token is not ours.
const VERSION: u32 = 1;

/// Stands behind the channel in the token of a zygote.
const ZYGOTE: &str = "zygote";

/// What a process that was started with a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Worker,
    Zygote,
}

/// How many calls this process is inside of: 0 in the program, 1 in its workers, 2 in theirs.
static DEPTH: AtomicU32 = AtomicU32::new(0);

/// How many calls this process is inside of; of a zygote, its copies.
pub(crate) fn depth() -> u32 {
    DEPTH.load(Ordering::Relaxed)
}

/// Whether there is a token; only before it is taken out does that mean anything.
pub(crate) fn has_token() -> bool {
    program::has_variable(environment::TOKEN_C)
}

/// The entry in the environment that makes a new process what `purpose` says, on `channel`, without the rights that exec gives
/// it beyond what is `kept`.
pub(crate) fn token(purpose: Purpose, kept: Option<Kept>, channel: &Socket) -> io::Result<CString> {
    let mut behind = match purpose {
        Purpose::Worker => String::new(),
        Purpose::Zygote => format!(":{ZYGOTE}"),
    };
    if let Some(kept) = kept {
        behind.push(':');
        behind.push_str(&kept.to_text());
    }
    let depth = depth() + 1;
    let entry = format!("{}={VERSION}:{}:{depth}{behind}", environment::TOKEN, channel.number());
    CString::new(entry).map_err(io::Error::other)
}

/// Finds the channel that the token names, and lays down what rights the token says.
///
/// # Errors
///
/// Where the system refuses that. When the token is not one of this version, or names no channel: a user or
/// another program set the variable.
pub(crate) fn connect(token: &CStr) -> io::Result<(Purpose, Socket)> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidInput, "the token is malformed");
    let Token { channel, depth, purpose, kept } = token.to_str().ok().and_then(Token::read).ok_or_else(malformed)?;
    // Before rights are laid down: `inherit` compares those that the file gave this process with its parent's.
    let socket = Socket::inherit(channel)?;
    if let Some(kept) = kept {
        kept.lay_down()?;
    }
    DEPTH.store(depth, Ordering::Relaxed);
    Ok((purpose, socket))
}

/// What a token says.
#[derive(Debug, PartialEq, Eq)]
struct Token {
    channel: Number,
    depth: u32,
    purpose: Purpose,
    kept: Option<Kept>,
}

impl Token {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let version = words.next()?.parse();
        let channel = words.next()?.parse().ok()?;
        let (mut depth, mut purpose, mut kept) = (1, Purpose::Worker, None);
        for word in words {
            match word {
                ZYGOTE => purpose = Purpose::Zygote,
                word if word.contains('.') => kept = Some(Kept::from_text(word)?),
                number => depth = number.parse().ok()?,
            }
        }
        (version == Ok(VERSION) && channel > 2).then_some(Self { channel, depth, purpose, kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_another_not_at_all() {
        let (channel, _other) = Socket::pair().unwrap();
        for purpose in [Purpose::Worker, Purpose::Zygote] {
            for kept in [None, Kept::from_text("1f.1000.100")] {
                let entry = token(purpose, kept, &channel).unwrap().into_string().unwrap();
                let text = entry.strip_prefix("PARALLEL_WORKER=").unwrap();
                let expected = Token { channel: channel.number(), depth: depth() + 1, purpose, kept };
                assert_eq!(Token::read(text), Some(expected), "{text}");
            }
        }
        let plain = Token { channel: 3, depth: 1, purpose: Purpose::Worker, kept: None };
        assert_eq!(Token::read("1:3"), Some(plain));
        for other in ["", "1", "1:", "1:2", "2:3", "1:x:1", "1:3:x", "1:3:", "1:3:-1", "1:3:1:", "1:3:Zygote", "zygote"]
        {
            assert_eq!(Token::read(other), None, "{other}");
        }
    }
}
