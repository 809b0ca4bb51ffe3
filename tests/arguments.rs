//! Arguments as a value: built by name, stored, sent.

mod engines;

use std::path::{Path, PathBuf};

use parallel::prelude::*;

/// Computes the norm of a row.
#[parallel(args(derive(Debug, Clone, PartialEq)))]
fn norm(row: &[f64], p: f64) -> f64 {
    row.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
}

#[parallel(args = Nothing)]
fn nothing() -> u8 {
    7
}

#[parallel(args)]
fn describe(name: &str, at: &Path, (low, high): (i8, i8), note: Option<String>) -> String {
    format!("{name} {} {low} {high} {note:?}", at.display())
}

#[parallel(args, handle = halves)]
fn half_of(r#match: u32) -> u32 {
    assert!(r#match.is_multiple_of(2), "{} is odd", r#match);
    r#match / 2
}

#[parallel(args)]
fn add(to: &Value<u64>, x: u64) {
    to.update(|v| *v += x).unwrap();
}

#[parallel]
fn sum(a: u32, b: u32) -> u32 {
    a + b
}

mod elsewhere {
    use super::*;

    #[parallel(args(name = Job, derive(Default)))]
    pub(super) fn double(x: u64) -> u64 {
        2 * x
    }
}

fn job() -> NormArgs {
    NormArgs { row: vec![3.0, 4.0], p: 2.0 }
}

#[test]
fn a_struct_of_arguments_is_called_here_and_elsewhere_and_stays() {
    let job = job();
    assert_eq!(norm.spawn_args(&job).join().unwrap(), 5.0);
    assert_eq!(norm.submit_args(&job).join().unwrap(), 5.0);
    assert_eq!(job, job.clone());
    assert_eq!(norm.call_args(job), 5.0);
    assert_eq!(nothing.spawn_args(&Nothing {}).join().unwrap(), 7);
    assert_eq!(nothing.call_args(Nothing {}), 7);
    assert_eq!(elsewhere::double.spawn_args(&elsewhere::Job::default()).join().unwrap(), 0);
}

#[test]
fn maps_take_structs_and_what_borrows_as_them() {
    let jobs = vec![job(), NormArgs { row: vec![1.0], p: 1.0 }];
    assert_eq!(norm.par_map_args(&jobs).unwrap(), [5.0, 1.0]);
    assert_eq!(norm.par_map_args(jobs.iter().cloned().map(Box::new)).unwrap(), [5.0, 1.0]);
    assert_eq!(norm.par_imap_args(&jobs).map(Result::unwrap).sum::<f64>(), 6.0);
    assert_eq!(norm.par_imap_unordered_args(&jobs).count(), 2);
    norm.par_for_each_args(jobs).unwrap();
    let halves_of = |numbers: [u32; 3]| numbers.map(|number| HalfOfArgs { r#match: number });
    let outcomes = halves.par_map_results_args(halves_of([2, 3, 4]));
    assert_eq!(*outcomes[0].as_ref().unwrap(), 1);
    assert_eq!(outcomes[1].as_ref().unwrap_err().index(), Some(1));
    assert_eq!(halves.par_map_reduce_args(halves_of([2, 4, 6]), &sum).unwrap(), Some(6));
}

#[test]
fn a_struct_of_arguments_is_kept_in_a_text_by_the_names_of_the_parameters() {
    let text = serde_json::to_string(&job()).unwrap();
    assert_eq!(text, r#"{"row":[3.0,4.0],"p":2.0}"#);
    assert_eq!(serde_json::from_str::<NormArgs>(&text).unwrap(), job());

    let described = DescribeArgs {
        name: "it".to_string(),
        at: PathBuf::from("/there"),
        argument_2: (-1, 1),
        note: Some("well".to_string()),
    };
    let text = serde_json::to_string(&described).unwrap();
    assert_eq!(text, r#"{"name":"it","at":"/there","argument_2":[-1,1],"note":"well"}"#);
    let again: DescribeArgs = serde_json::from_str(&text).unwrap();
    assert_eq!(describe.spawn_args(&again).join().unwrap(), describe.call_args(described));
    let without: DescribeArgs = serde_json::from_str(r#"{"name":"it","at":"/","argument_2":[0,0]}"#).unwrap();
    assert_eq!(without.note, None, "an optional argument may be missing");
    let error = serde_json::from_str::<NormArgs>(r#"{"row":[]}"#).err().unwrap().to_string();
    assert!(error.contains("missing field `p`"), "{error}");
    assert_eq!(serde_json::to_string(&HalfOfArgs { r#match: 2 }).unwrap(), r#"{"match":2}"#);
    assert_eq!(serde_json::to_string(&Nothing {}).unwrap(), "{}");
}

#[test]
fn a_handle_among_the_arguments_travels_with_a_call_and_nowhere_else() {
    let total = Value::new(1_u64).unwrap();
    let given = AddArgs { to: total.clone(), x: 2 };
    add.spawn_args(&given).join().unwrap();
    assert_eq!(total.get().unwrap(), 3);
    let error = serde_json::to_string(&given).unwrap_err().to_string();
    assert_eq!(error, serde_json::to_string(&total).unwrap_err().to_string());
}

/// A call's arguments can be arguments themselves.
#[parallel]
fn run(job: NormArgs) -> f64 {
    norm.call_args(job)
}

#[test]
fn a_struct_of_arguments_is_an_argument_like_another() {
    assert_eq!(run.spawn(job()).join().unwrap(), 5.0);
}

/// A pool without workers does all of this too.
#[test]
fn all_of_this_holds_inline() {
    engines::inline_too("all_of_this_holds_inline", &[]);
}
