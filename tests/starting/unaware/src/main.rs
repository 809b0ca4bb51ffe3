//! A program that does not know that its library uses `parallel`.
fn main() {
    if std::env::args().nth(1).as_deref() == Some("panic") {
        for line in parallel_starting_library::halves_of_seven_and_eight() {
            println!("{line}");
        }
        return;
    }
    println!("main");
    let here = std::process::id();
    let all = (0..100).map(|x| x * x * x).collect::<Vec<u64>>();
    let cubes = parallel_starting_library::cubes(100);
    assert_eq!(cubes.iter().map(|cube| cube.0).collect::<Vec<_>>(), all);
    assert!(cubes.iter().all(|cube| cube.1 != here));
    let (cube, there) = parallel_starting_library::spawned(5);
    assert_eq!(cube, 125);
    assert_ne!(there, here);
    println!("done");
}
