use parallel::prelude::*;

#[parallel]
fn find(rows: &[Vec<u8>]) -> Option<&[u8]> {
    rows.first().map(Vec::as_slice)
}

fn main() {
    let _ = find(&[vec![1]]);
}
