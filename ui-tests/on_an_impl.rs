use parallel::prelude::*;

struct Point;

#[parallel]
impl Point {}

fn main() {}
