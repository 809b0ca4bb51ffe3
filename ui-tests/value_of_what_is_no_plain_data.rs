use parallel::prelude::*;

fn main() {
    let _ = Value::new(true);
    let _ = Array::from_slice(&["a".to_string()]);
}
