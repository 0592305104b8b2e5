//! Replays the corpora of the fuzz targets, so that inputs that once found an error are tested in every run.

use std::fs;
use std::path::Path;

#[test]
fn every_corpus_is_replayed() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in ecru_fuzz::TARGETS {
        let mut replayed = 0;
        for entry in fs::read_dir(corpora.join(name)).unwrap() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed > 0, "the corpus `{name}` is empty");
    }
}

#[test]
fn every_target_has_its_program() {
    for (name, _) in ecru_fuzz::TARGETS {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz_targets/{name}.rs"));
        let text = fs::read_to_string(program).unwrap();
        assert!(text.contains(&format!("ecru_fuzz::{name}(")), "{name}");
    }
}
