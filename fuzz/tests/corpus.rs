//! Replays the corpora through the targets' functions, without a fuzzer: what was once found stays
//! mended, and no seed is broken.

use std::{fs, path::Path};

use muster_fuzz::TARGETS;

#[test]
fn every_input_of_the_corpora_passes() {
    for (name, check) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(name);
        let entries = fs::read_dir(&directory).expect("each target has a corpus");
        let inputs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{} is empty", directory.display());
        for input in inputs {
            // A panic says where in the code; this says which input.
            println!("{}", input.display());
            check(&fs::read(&input).unwrap());
        }
    }
}
