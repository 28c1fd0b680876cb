//! What the fuzz targets in `fuzz/` start from is checked on every run, without the compiler that fuzzing needs.

#[path = "../../fuzz/checks/frame.rs"]
mod frame;
#[path = "../../fuzz/checks/lexer.rs"]
mod lexer;
#[path = "../../fuzz/checks/route.rs"]
mod route;
#[path = "../../fuzz/checks/startup.rs"]
mod startup;

use std::fs;
use std::path::Path;

#[test]
fn frames_that_fuzzing_starts_from_hold() {
    each_seed("frame", frame::check);
}

#[test]
fn first_packets_that_fuzzing_starts_from_are_read_as_by_postgresql() {
    each_seed("startup", startup::check);
}

#[test]
fn texts_that_fuzzing_starts_from_are_cut_into_tokens() {
    each_seed("lexer", lexer::check);
    // What the routes are seeded with is text as well.
    each_seed("route", lexer::check);
}

#[test]
fn texts_that_fuzzing_starts_from_are_routed() {
    each_seed("route", route::check);
}

fn each_seed(target: &str, check: fn(&[u8])) {
    let folder = Path::new("fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(folder).unwrap() {
        let path = seed.unwrap().path();
        eprintln!("{}", path.display());
        let bytes = fs::read(path).unwrap();
        check(&bytes);
        // Cut short anywhere, it is an input as well.
        for length in 0..bytes.len() {
            check(&bytes[..length]);
        }
        count += 1;
    }
    assert!(count > 0, "{target} has no seeds");
}
