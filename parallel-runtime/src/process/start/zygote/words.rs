//! What a program and its zygote say to each other.

/// Asks for a copy; its channel comes along.
pub(super) const FORK: [u8; 1] = *b"f";
/// Asks for a copy ahead of need.
pub(super) const FORK_AHEAD: [u8; 1] = *b"a";
/// Tells a copy that it may begin soon.
pub(super) const RISE: [u8; 1] = *b"r";
/// Lets a copy begin; its stdout and stderr come along.
pub(super) const BEGIN: [u8; 1] = *b"b";
/// The longest answer.
pub(super) const LONGEST: usize = 512;

/// What a zygote says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It can be asked from now on.
    Ready,
    /// It can never be asked, and why.
    Unfit(String),
    /// A copy waits; its pidfd comes along.
    Forked(u32),
    /// The system gave no copy.
    Failed,
}

impl Answer {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ready => b"r".to_vec(),
            Self::Unfit(text) => [b"u", text.as_bytes()].concat().into_iter().take(LONGEST).collect(),
            Self::Forked(pid) => [b"c".as_slice(), &pid.to_le_bytes()].concat(),
            Self::Failed => b"f".to_vec(),
        }
    }

    /// `None` for bytes that only a zygote with overwritten memory sends.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (b'r', []) => Some(Self::Ready),
            (b'u', text) => Some(Self::Unfit(String::from_utf8_lossy(text).into_owned())),
            (b'c', pid) => Some(Self::Forked(u32::from_le_bytes(pid.try_into().ok()?))),
            (b'f', []) => Some(Self::Failed),
            _ => None,
        }
    }
}

/// What a zygote says.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_answer(data: &[u8]) {
    drop(Answer::from_bytes(data));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_as_they_were_written_and_others_not_at_all() {
        for answer in [Answer::Ready, Answer::Unfit("a thread".to_string()), Answer::Forked(70_000), Answer::Failed] {
            assert_eq!(Answer::from_bytes(&answer.to_bytes()), Some(answer));
        }
        for spoilt in [b"".as_slice(), b"x", b"rr", b"c123", b"c12345", b"ff"] {
            assert_eq!(Answer::from_bytes(spoilt), None);
        }
        assert!(Answer::Unfit("long".repeat(LONGEST)).to_bytes().len() <= LONGEST);
    }
}
