//! The forms of functions that the attribute accepts: each is called in this process and in others.

#![deny(warnings, unsafe_code, unreachable_pub, non_camel_case_types, non_upper_case_globals, unused_qualifications)]

mod engines;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parallel::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

/// A plain call, a spawned one, a submitted one and a map of one item all give the same value.
macro_rules! agree {
    ($function:ident($($argument:expr),*), $item:expr) => {{
        let here = $function($($argument),*);
        assert_eq!($function.as_fn()($($argument),*), here);
        assert_eq!($function.spawn($($argument),*).join().unwrap(), here);
        assert_eq!($function.submit($($argument),*).join().unwrap(), here);
        assert_eq!($function.par_map([$item]).unwrap(), [here]);
    }};
}

mod any_number_of_parameters {
    // Twelve are what is tested.
    #![allow(clippy::too_many_arguments)]

    use super::*;

    #[parallel]
    fn take_0() -> u64 {
        7
    }

    #[parallel]
    fn take_1(a: u64) -> u64 {
        a
    }

    #[parallel]
    fn take_2(a: u64, b: u64) -> u64 {
        a + b * 2
    }

    #[parallel]
    fn take_3(a: u64, b: u64, c: u64) -> u64 {
        a + b * 2 + c * 3
    }

    #[parallel]
    fn take_4(a: u64, b: u64, c: u64, d: u64) -> u64 {
        a + b * 2 + c * 3 + d * 4
    }

    #[parallel]
    fn take_5(a: u64, b: u64, c: u64, d: u64, e: u64) -> u64 {
        a + b * 2 + c * 3 + d * 4 + e * 5
    }

    #[parallel]
    fn take_6(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64 {
        a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6
    }

    #[parallel]
    fn take_7(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64) -> u64 {
        a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7
    }

    #[parallel]
    fn take_8(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64) -> u64 {
        a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8
    }

    #[parallel]
    fn take_9(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64, i: u64) -> u64 {
        a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9
    }

    #[parallel]
    fn take_10(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64, i: u64, j: u64) -> u64 {
        a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9 + j * 10
    }

    #[parallel]
    fn take_11(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64, i: u64, j: u64, k: u64) -> u64 {
        a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9 + j * 10 + k * 11
    }

    #[parallel]
    fn take_12(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64, i: u64, j: u64, k: u64, l: u64) -> u64 {
        a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9 + j * 10 + k * 11 + l * 12
    }

    #[test]
    fn from_none_to_twelve() {
        agree!(take_0(), ());
        agree!(take_1(2), 2);
        agree!(take_2(2, 3), (2, 3));
        agree!(take_3(2, 3, 4), (2, 3, 4));
        agree!(take_4(2, 3, 4, 5), (2, 3, 4, 5));
        agree!(take_5(2, 3, 4, 5, 6), (2, 3, 4, 5, 6));
        agree!(take_6(2, 3, 4, 5, 6, 7), (2, 3, 4, 5, 6, 7));
        agree!(take_7(2, 3, 4, 5, 6, 7, 8), (2, 3, 4, 5, 6, 7, 8));
        agree!(take_8(2, 3, 4, 5, 6, 7, 8, 9), (2, 3, 4, 5, 6, 7, 8, 9));
        agree!(take_9(2, 3, 4, 5, 6, 7, 8, 9, 10), (2, 3, 4, 5, 6, 7, 8, 9, 10));
        agree!(take_10(2, 3, 4, 5, 6, 7, 8, 9, 10, 11), (2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
        agree!(take_11(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
        agree!(take_12(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13));
    }
}

mod patterns {
    use super::*;

    #[parallel]
    fn shift(mut point: Point, Point { x, y }: Point, (up, _): (f64, u8), _: String, &factor: &f64) -> Point {
        point.x += x * factor;
        point.y += (y + up) * factor;
        point
    }

    #[parallel]
    fn whole_and_parts(all @ [first, ..]: [u32; 3], argument_0: u32) -> u32 {
        all.iter().sum::<u32>() + first + argument_0
    }

    #[test]
    fn mut_and_patterns_are_parameters() {
        let (at, by) = (Point { x: 1.0, y: 2.0 }, Point { x: 3.0, y: 5.0 });
        assert_eq!(shift(at, by, (1.0, 0), String::new(), &2.0), Point { x: 7.0, y: 14.0 });
        agree!(shift(at, by, (1.0, 0), String::new(), &2.0), (at, by, (1.0, 0), String::new(), &2.0));
        assert_eq!(whole_and_parts([1, 2, 3], 10), 17);
        agree!(whole_and_parts([1, 2, 3], 10), ([1, 2, 3], 10));
    }
}

mod borrows {
    use super::*;

    #[parallel]
    fn length(word: &str) -> usize {
        word.len()
    }

    #[parallel]
    fn sum(row: &[f64]) -> f64 {
        row.iter().sum()
    }

    #[parallel]
    fn norm(point: &Point) -> f64 {
        point.x.hypot(point.y)
    }

    #[parallel]
    fn depth(path: &Path) -> usize {
        path.components().count()
    }

    #[parallel]
    fn letters(text: &OsStr) -> usize {
        text.len()
    }

    #[parallel]
    fn total(table: &BTreeMap<String, u32>) -> u32 {
        table.values().sum()
    }

    #[parallel]
    fn trace(matrix: &[[u8; 2]; 2]) -> u8 {
        matrix[0][0] + matrix[1][1]
    }

    #[parallel]
    fn words(text: &'_ str) -> Vec<String> {
        text.split(' ').map(str::to_string).collect()
    }

    #[parallel]
    fn find(rows: &[Vec<u8>], name: &str, point: &Point, at: usize) -> Option<(u8, String, f64)> {
        Some((*rows.get(at)?.first()?, name.to_string(), point.x))
    }

    #[test]
    fn a_single_borrow_takes_whatever_borrows_as_it() {
        agree!(length("four"), "four");
        assert_eq!(length.par_map(["a", "bc"]).unwrap(), [1, 2]);
        assert_eq!(length.par_map(vec!["a".to_string(), "bc".to_string()]).unwrap(), [1, 2]);
        assert_eq!(length.par_map(&["a".to_string(), "bc".to_string()]).unwrap(), [1, 2]);
        assert_eq!(length.par_map("a bc".split(' ')).unwrap(), [1, 2]);
        assert_eq!(length.par_map([Cow::Borrowed("a"), Cow::Owned("bc".to_string())]).unwrap(), [1, 2]);

        let matrix = [1.0, 2.0, 3.0, 4.0];
        let rows = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
        agree!(sum(&matrix), &matrix);
        assert_eq!(sum.par_map(matrix.chunks(2)).unwrap(), [3.0, 7.0]);
        assert_eq!(sum.par_map(&rows).unwrap(), [3.0, 7.0]);
        assert_eq!(sum.par_map(rows).unwrap(), [3.0, 7.0]);
        assert_eq!(sum.par_map([[1.0, 2.0], [3.0, 4.0]]).unwrap(), [3.0, 7.0]);

        let points = vec![Point { x: 3.0, y: 4.0 }];
        agree!(norm(&points[0]), &points[0]);
        assert_eq!(norm.par_map(&points).unwrap(), [5.0]);
        assert_eq!(norm.par_map(points.iter().copied().map(Box::new)).unwrap(), [5.0]);
        assert_eq!(norm.par_map(points).unwrap(), [5.0]);

        agree!(depth(Path::new("a/b")), Path::new("a/b"));
        assert_eq!(depth.par_map(["a", "a/b"]).unwrap(), [1, 2]);
        assert_eq!(depth.par_map([PathBuf::from("a/b")]).unwrap(), [2]);
        agree!(letters(OsStr::new("ab")), "ab");
        let table = BTreeMap::from([("a".to_string(), 1), ("b".to_string(), 2)]);
        agree!(total(&table), &table);
        agree!(trace(&[[1, 2], [3, 4]]), [[1, 2], [3, 4]]);
        agree!(words("a b"), "a b");
    }

    #[test]
    fn among_several_parameters_the_items_are_exactly_the_borrows() {
        let (rows, point) = (vec![vec![7], vec![8]], Point { x: 1.5, y: 0.0 });
        assert_eq!(find(&rows, "n", &point, 1), Some((8, "n".to_string(), 1.5)));
        agree!(find(&rows, "n", &point, 1), (&rows[..], "n", &point, 1));
    }
}

mod places {
    use super::*;

    mod left {
        use super::*;

        #[parallel]
        pub(crate) fn twin(x: u32) -> u32 {
            x + 1
        }

        pub(crate) mod deep {
            use super::*;

            #[parallel]
            pub(super) fn to_the_parent() -> u8 {
                1
            }

            #[parallel]
            pub(in super::super) fn to_an_ancestor() -> u8 {
                to_the_parent() + only_here()
            }

            #[parallel]
            fn only_here() -> u8 {
                2
            }
        }

        pub(crate) fn sum() -> u8 {
            deep::to_the_parent.spawn().join().unwrap() + deep::to_an_ancestor.spawn().join().unwrap()
        }
    }

    mod right {
        use super::*;

        #[parallel]
        pub(crate) fn twin(x: u32) -> u32 {
            x + 2
        }
    }

    fn first(x: u32) -> u32 {
        #[parallel]
        fn nested(x: u32) -> u32 {
            x + 3
        }
        nested.spawn(x).join().unwrap()
    }

    fn second(x: u32) -> u32 {
        #[derive(Serialize, Deserialize)]
        struct Local(u32);

        #[parallel]
        fn nested(Local(x): Local) -> Local {
            Local(x + 4)
        }
        nested.spawn(Local(x)).join().unwrap().0
    }

    #[test]
    fn functions_of_one_name_in_several_modules_are_apart() {
        agree!(twin_of_the_left(1), 1);
        assert_eq!(left::twin.par_map([1]).unwrap(), [2]);
        assert_eq!(right::twin.par_map([1]).unwrap(), [3]);
    }

    use left::twin as twin_of_the_left;

    #[test]
    fn functions_inside_of_functions_are_apart() {
        assert_eq!((first(1), second(1)), (4, 5));
        let third = |x| {
            #[parallel]
            fn nested(x: u32) -> u32 {
                x + 5
            }
            nested.spawn(x).join().unwrap()
        };
        assert_eq!(third(1), 6);
    }

    #[test]
    fn any_visibility_is_kept() {
        assert_eq!(left::deep::to_an_ancestor(), 3);
        assert_eq!(left::sum(), 4);
    }
}

mod names {
    use super::*;

    #[parallel]
    fn r#match(r#type: &str, r#fn: u8) -> String {
        format!("{}{}", r#type, r#fn)
    }

    // The names that the generated code uses itself.
    #[parallel]
    fn spawn(arguments: u8, call: u8, __arguments: u8) -> u8 {
        arguments + call + __arguments
    }

    #[parallel]
    fn submit(item: u8, __item: &str, __values: u8) -> String {
        format!("{item}{__item}{__values}")
    }

    #[parallel]
    fn body(x: u8) -> u8 {
        if x == 0 { 0 } else { body(x - 1) + 1 }
    }

    #[parallel]
    fn task() -> u8 {
        4
    }

    #[parallel]
    fn name(timeout: u8) -> u8 {
        timeout
    }

    #[parallel]
    fn deref(clone: u8) -> u8 {
        clone
    }

    #[parallel(name = "a \"given\" name")]
    fn entry(from: u8) -> u8 {
        from
    }

    #[test]
    fn raw_names_are_names() {
        assert_eq!(r#match("a", 1), "a1");
        agree!(r#match("a", 1), ("a", 1));
    }

    #[test]
    fn no_name_meets_one_of_the_generated_code() {
        agree!(spawn(1, 2, 3), (1, 2, 3));
        agree!(submit(1, "2", 3), (1, "2", 3));
        agree!(body(9), 9);
        agree!(task(), ());
        agree!(name(5), 5);
        agree!(deref(6), 6);
        agree!(entry(7), 7);
    }

    #[test]
    fn a_handle_has_the_functions_name_or_the_given_one() {
        assert!(name.spawn(1).name().contains("name"));
        assert_eq!(entry.spawn(1).name(), "a \"given\" name");
    }
}

mod a_handle_of_another_name {
    use super::*;

    /// Stays a function.
    #[parallel(handle = cubes, retries = 1)]
    #[must_use]
    pub(crate) fn cube(x: u64) -> u64 {
        if x == 0 { 0 } else { cube(x - 1) + 3 * x * x - 3 * x + 1 }
    }

    #[deprecated = "for the test"]
    #[parallel(handle = olds)]
    fn old() -> u8 {
        1
    }

    #[test]
    fn the_function_is_left_as_written() {
        let pointer: fn(u64) -> u64 = cube;
        let cube = cube(3);
        assert_eq!((cube, pointer(3), cubes(3)), (27, 27, 27));
        agree!(cubes(3), 3);
    }

    #[test]
    #[allow(deprecated)]
    fn it_may_be_deprecated() {
        assert_eq!((old(), olds()), (1, 1));
    }
}

mod attributes {
    use super::*;

    #[cfg(any())]
    #[parallel]
    fn chosen(x: NoSuchType) -> NoSuchType {
        x
    }

    #[parallel]
    #[cfg(not(any()))]
    /// The one that is there.
    fn chosen(x: u8) -> u8 {
        x
    }

    #[parallel]
    #[cfg(any())]
    fn absent(x: NoSuchType) -> NoSuchType {
        x
    }

    #[parallel]
    #[cfg_attr(all(), inline, doc = "Conditional words.", allow(unused_variables))]
    #[cfg_attr(any(), cfg(any()))]
    #[track_caller]
    fn many(unused: u8) -> u32 {
        std::panic::Location::caller().line().min(1)
    }

    #[parallel]
    #[allow(unused_variables, non_snake_case)]
    fn Allowed(unused: u8) -> u8 {
        1
    }

    #[parallel]
    #[expect(unused_variables, reason = "the expectation is met once")]
    #[expect(dead_code, non_snake_case)]
    fn Expected(unused: u8, #[allow(unused_mut)] mut other: u8) -> u8 {
        other
    }

    #[parallel]
    #[deprecated(note = "for the test")]
    #[must_use]
    fn old(x: u8) -> u8 {
        x
    }

    #[derive(Serialize, Deserialize)]
    #[deprecated]
    struct Old(u8);

    #[parallel]
    #[allow(deprecated)]
    fn of_old((Old(x), _): (Old, u8)) -> Old {
        Old(x)
    }

    #[test]
    fn each_goes_where_it_has_its_meaning() {
        agree!(chosen(1), 1);
        agree!(many(1), 1);
        agree!(Allowed(1), 1);
    }

    #[test]
    #[allow(deprecated)]
    fn deprecated_things_can_still_be_called() {
        agree!(old(1), 1);
        assert_eq!(of_old.spawn((Old(1), 2)).join().unwrap().0, 1);
    }
}

mod types {
    use super::*;

    type Outcome = Result<BTreeMap<String, Vec<Option<u8>>>, String>;

    #[parallel]
    fn parse(text: Cow<'static, str>, tags: (Vec<[u8; 2]>, Box<Option<i128>>)) -> Outcome {
        let number = text.parse().map_err(|_| format!("{text} is not a number"))?;
        Ok(BTreeMap::from([(format!("{tags:?}"), vec![None, Some(number)])]))
    }

    // A unit that is written is a form of its own.
    #[allow(clippy::unused_unit)]
    #[parallel]
    fn unit(_: ()) -> () {}

    #[parallel]
    fn swap(pair: (u8, String)) -> (String, u8) {
        (pair.1, pair.0)
    }

    macro_rules! made {
        ($name:ident, $owned:ty, $borrowed:ty) => {
            #[parallel]
            fn $name(owned: $owned, borrowed: $borrowed) -> $owned {
                owned + borrowed.len() as $owned
            }
        };
    }
    made!(made_of_slice, u8, &[u8]);
    made!(made_of_text, u64, &str);

    #[test]
    fn any_type_with_serde() {
        let tags = (vec![[1, 2]], Box::new(Some(-1)));
        agree!(parse("12".into(), tags.clone()), ("12".into(), tags.clone()));
        assert_eq!(parse.spawn("x".into(), tags).join().unwrap().unwrap_err(), "x is not a number");
        agree!(unit(()), ());
        agree!(swap((1, "a".to_string())), (1, "a".to_string()));
    }

    #[test]
    fn functions_that_a_macro_makes() {
        agree!(made_of_slice(1, &[1, 2]), (1, &[1, 2][..]));
        agree!(made_of_text(1, "ab"), (1, "ab"));
    }
}

mod scopes {
    /// Nothing of the usual names is in scope here, and some mean something else.
    #[allow(dead_code)]
    #[no_implicit_prelude]
    mod bare {
        pub(crate) struct Result;
        pub(crate) struct Option;
        mod core {}
        mod std {}

        #[::parallel::parallel(timeout = "1h")]
        pub(crate) fn cube(x: u64, word: &str) -> u64 {
            x * x * x * word.len() as u64
        }
    }

    mod vendored {
        pub(crate) mod inner {
            pub(crate) use parallel as renamed;
        }
    }

    /// Were `parallel` itself used, it would be this.
    mod with_another_name {
        use super::vendored::inner::renamed;

        #[renamed::parallel(crate = renamed, retries = 2)]
        pub(crate) fn twice(x: u32, row: &[u32]) -> u32 {
            2 * x * row[0]
        }

        #[renamed::parallel(crate = crate::scopes::vendored::inner::renamed)]
        pub(crate) fn thrice(x: u32) -> u32 {
            3 * x
        }
    }

    #[test]
    fn no_name_needs_to_be_in_scope() {
        assert_eq!(bare::cube.spawn(2, "a").join().unwrap(), 8);
        assert_eq!(bare::cube.par_map([(2, "a")]).unwrap(), [8]);
    }

    #[test]
    fn the_crate_may_have_another_name() {
        assert_eq!(with_another_name::twice.spawn(2, &[1]).join().unwrap(), 4);
        assert_eq!(with_another_name::thrice.par_map([2]).unwrap(), [6]);
    }
}

mod handles {
    use super::*;

    #[parallel(timeout = "1min 30s", retries = 1, chunk_size = 2)]
    fn cube(x: u64) -> u64 {
        x * x * x
    }

    #[parallel]
    fn add(a: u64, b: u64) -> u64 {
        a + b
    }

    #[parallel]
    fn fibonacci(n: u32) -> u64 {
        match n {
            0 | 1 => u64::from(n),
            _ if n > 17 => fibonacci.spawn(n - 1).join().unwrap() + fibonacci(n - 2),
            _ => fibonacci(n - 1) + fibonacci(n - 2),
        }
    }

    #[parallel]
    fn remember(word: &str, number: u8) -> Result<(), String> {
        if word.len() == usize::from(number) { Ok(()) } else { Err(format!("{word} has not {number} letters")) }
    }

    #[parallel]
    fn process() -> u32 {
        std::process::id()
    }

    #[test]
    fn it_runs_where_it_is_asked_to() {
        let here = std::process::id();
        assert_eq!(process(), here);
        assert_ne!(process.spawn().join().unwrap(), here);
        assert_ne!(process.submit().join().unwrap(), here);
    }

    #[test]
    fn it_is_still_an_ordinary_function() {
        assert_eq!(cube(3), 27);
        assert_eq!((0..4).map(cube.as_fn()).collect::<Vec<_>>(), [0, 1, 8, 27]);
        let pointer: fn(u64) -> u64 = **cube;
        assert_eq!(pointer(2), 8);
        let other = cube.clone();
        assert_eq!(other(2), 8);
        assert!(format!("{other:?}").contains("cube"));
    }

    #[test]
    fn a_recursive_one_may_call_and_spawn_itself() {
        assert_eq!(fibonacci(10), 55);
        assert_eq!(fibonacci.spawn(19).join().unwrap(), 4181);
    }

    #[test]
    fn options_are_chained_and_leave_the_function_unchanged() {
        let pool = engines::pool(1);
        let careful = cube.timeout(Duration::from_secs(60)).retries(2).name("careful").on(&pool);
        assert_eq!(careful(2), 8);
        assert_eq!(careful.chunk_size(3).par_map(0..5).unwrap(), [0, 1, 8, 27, 64]);
        let lazy = careful.chunk_size(3).window(4).par_imap(0..5);
        assert_eq!(lazy.collect::<parallel::Result<Vec<_>>>().unwrap(), [0, 1, 8, 27, 64]);
        assert_eq!(careful.submit(3).name(), "careful");
        assert!(cube.submit(3).name().contains("cube"));
        assert_eq!(cube.env("SOME_KEY", "value").spawn(2).join().unwrap(), 8);
    }

    #[test]
    fn every_map_takes_the_same_items() {
        assert_eq!(cube.par_map((0..4).map(|x| x * 2)).unwrap(), [0, 8, 64, 216]);
        assert_eq!(cube.par_map(vec![3]).unwrap(), [27]);
        let results = cube.par_map_results([1, 2]).into_iter().map(Result::unwrap);
        assert_eq!(results.collect::<Vec<_>>(), [1, 8]);
        assert_eq!(cube.par_imap(0..).nth(2).unwrap().unwrap(), 8);
        let mut unordered: Vec<_> = cube.par_imap_unordered(1..3).map(|(at, value)| (at, value.unwrap())).collect();
        unordered.sort_unstable();
        assert_eq!(unordered, [(0, 1), (1, 8)]);
        cube.par_for_each([1, 2]).unwrap();
        assert_eq!(add.par_map([(1, 2), (3, 4)]).unwrap(), [3, 7]);
        assert_eq!(cube.par_map_reduce(0..4, &add).unwrap(), Some(36));
        assert_eq!(cube.par_map_reduce([], &add).unwrap(), None);
    }

    #[test]
    fn an_initializer_takes_the_owned_forms() {
        let pool = Pool::builder().workers(1).initializer(&remember, ("four".to_string(), 4)).build().unwrap();
        assert_eq!(add.on(&pool).par_map([(1, 2)]).unwrap(), [3]);
        let refused = Pool::builder().workers(1).initializer(&remember, ("five".to_string(), 5)).build();
        assert!(refused.unwrap_err().to_string().contains("five has not 5 letters"));
    }
}

/// A pool without workers does all of this too.
#[test]
fn all_of_this_holds_inline() {
    engines::inline_too(
        "all_of_this_holds_inline",
        &[("handles::it_runs_where_it_is_asked_to", "it compares processes")],
    );
}
