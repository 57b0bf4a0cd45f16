//! Every target over its corpus, and over some thousand mutations of it: the same ones on every run. A panic is a broken
//! promise, and the input that broke it is written as text that can be pasted into a file of the corpus.
//!
//! Not here: hangs and growth (libFuzzer watches these), and inputs that nobody has thought of (it looks for these).

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use vestibule_fuzz::{TARGETS, Target, dice::Dice};

/// Of one target.
const MUTATIONS: usize = 1_500;
/// Of one file of a corpus, bytes.
const FILE_LIMIT: u64 = 8 * 1024;
/// Of all corpora together, bytes.
const CORPORA_LIMIT: u64 = 1024 * 1024;
/// Of one mutation, bytes.
const LENGTH_LIMIT: usize = 16 * 1024;

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).expect("a readable file"))).collect()
}

/// The broken promise, if it is one.
fn try_one(target: &Target, input: &[u8], what: &str) -> Option<String> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    outcome.is_err().then(|| format!("`{}` fails on {what}: b\"{}\"", target.name, input.escape_ascii()))
}

#[test]
fn every_file_of_the_corpora_keeps_its_promise() {
    let cases = TARGETS.iter().flat_map(|target| corpus(target).into_iter().map(move |case| (target, case)));
    let broken: Vec<String> =
        cases.filter_map(|(target, (file, input))| try_one(target, &input, &file.display().to_string())).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn mutations_of_the_corpora_keep_the_promises() {
    let first_broken = |target: &Target| {
        let corpus: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, input)| input).collect();
        let mut mutator = Mutator { corpus: &corpus, dice: Dice::new(0x5eed) };
        (0..MUTATIONS).find_map(|number| try_one(target, &mutator.next(), &format!("mutation {number}")))
    };
    let broken: Vec<String> = TARGETS.iter().filter_map(first_broken).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn each_target_has_a_corpus_and_none_is_large() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut folders: Vec<String> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let mut names = TARGETS.map(|target| target.name.to_owned());
    names.sort();
    assert_eq!(folders, names);
    let mut total = 0;
    for target in &TARGETS {
        let files = corpus(target);
        assert!(files.len() >= 10, "{} has {} cases", target.name, files.len());
        for (file, input) in files {
            assert!(input.len() as u64 <= FILE_LIMIT, "{} has {} bytes", file.display(), input.len());
            total += input.len() as u64;
        }
    }
    assert!(total <= CORPORA_LIMIT, "the corpora have {total} bytes: merge them anew");
}

/// Changes inputs a little, as a fuzzer would that learns nothing.
struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    dice: Dice,
}

/// What readers of text look for.
const TOKENS: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"%2f",
    b"..",
    b"chunked",
    b"content-length: 1\r\n",
    b"transfer-encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"\xff",
];

impl Mutator<'_> {
    fn next(&mut self) -> Vec<u8> {
        let mut input = self.pick().to_vec();
        for _ in 0..=self.dice.below(4) {
            let at = self.dice.below(input.len() + 1);
            let byte = u8::try_from(self.dice.below(256)).expect("below 256");
            match self.dice.below(6) {
                0 if at < input.len() => input[at] ^= 1 << (byte % 8),
                1 if at < input.len() => input[at] = byte,
                2 => drop(input.splice(at..at, TOKENS[self.dice.below(TOKENS.len())].iter().copied())),
                3 => drop(input.drain(at..(at + self.dice.below(16)).min(input.len()))),
                4 => {
                    let end = (at + self.dice.below(32)).min(input.len());
                    let again = input[at..end].to_vec();
                    input.splice(at..at, again);
                }
                _ => {
                    let other = self.pick().to_vec();
                    let from = self.dice.below(other.len() + 1);
                    input.splice(at.., other[from..].iter().copied());
                }
            }
        }
        input.truncate(LENGTH_LIMIT);
        input
    }

    fn pick(&mut self) -> &[u8] {
        let at = self.dice.below(self.corpus.len());
        &self.corpus[at]
    }
}
