//! Values of a reduction of a function that returns `Result`s: the values inside of `Ok` are merged, and an `Err` ends it.
//!
//! A worker replies with the merged value, or with the `Err` and its item's number; one byte behind that says which it is.

/// How an `Ok` begins, in front of the value in it.
const OK: [u8; 4] = 0_u32.to_le_bytes();
/// The last byte of a merged value.
const MERGED: u8 = 0;
/// The last byte of a `Result` that ended the reduction.
const STOPPED: u8 = 1;

/// The value in an `Ok`; anything else comes back as it is.
pub(crate) fn unwrap(mut result: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
    if !result.starts_with(&OK) {
        return Err(result);
    }
    result.drain(..OK.len());
    Ok(result)
}

/// The value as an `Ok`.
pub(crate) fn wrap(value: &[u8]) -> Vec<u8> {
    [&OK, value].concat()
}

/// The reply of a chunk that was merged.
pub(crate) fn merged(mut value: Vec<u8>) -> Vec<u8> {
    value.push(MERGED);
    value
}

/// The reply of a chunk in which item number `item` gave an `Err`.
pub(crate) fn stopped(mut result: Vec<u8>, item: u32) -> Vec<u8> {
    result.extend_from_slice(&item.to_le_bytes());
    result.push(STOPPED);
    result
}

/// A reply as it was meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Merged(Vec<u8>),
    Stopped { result: Vec<u8>, item: usize },
}

/// Reads a reply; `None` when the bytes are not one.
pub(crate) fn read(mut reply: Vec<u8>) -> Option<Reply> {
    match reply.pop()? {
        MERGED => Some(Reply::Merged(reply)),
        STOPPED => {
            let (_, item) = reply.split_last_chunk()?;
            let item = u32::from_le_bytes(*item) as usize;
            reply.truncate(reply.len() - 4);
            Some(Reply::Stopped { result: reply, item })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec;

    fn bytes(result: &Result<u16, String>) -> Vec<u8> {
        let mut bytes = Vec::new();
        codec::encode(result, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_value_is_what_the_codec_writes_inside_of_ok() {
        let (good, bad) = (bytes(&Ok(513)), bytes(&Err("odd".to_string())));
        assert_eq!(unwrap(good.clone()), Ok(vec![1, 2]));
        assert_eq!(wrap(&[1, 2]), good);
        assert_eq!(unwrap(bad.clone()), Err(bad));
        assert_eq!(unwrap(vec![0, 0]), Err(vec![0, 0]));
    }

    #[test]
    fn a_reply_is_read_as_it_was_written_and_rubbish_is_none() {
        assert_eq!(read(merged(vec![1, 2])), Some(Reply::Merged(vec![1, 2])));
        assert_eq!(read(stopped(vec![7], 70_000)), Some(Reply::Stopped { result: vec![7], item: 70_000 }));
        for rubbish in [vec![], vec![2], vec![9, STOPPED], vec![0, 0, 0, STOPPED]] {
            assert_eq!(read(rubbish), None);
        }
    }
}
