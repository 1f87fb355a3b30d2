//! The tags of requirements and failures (`S26`, `R07`) that comments refer to are those that a page defines.

use std::{collections::BTreeSet, fs, path::Path};

use super::sources::files_below;

#[test]
fn every_tag_that_comments_use_is_defined_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("tests/requirements.md")).expect("the page of requirements");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let defined: Vec<_> = cells.filter(|cell| is_tag(cell)).collect();
    let used: BTreeSet<_> = ["src", "tests", "examples"]
        .into_iter()
        .flat_map(|folder| files_below(&root.join(folder)))
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|text| text.lines().flat_map(tags).collect::<Vec<_>>())
        .collect();
    let distinct: BTreeSet<_> = defined.iter().map(|&tag| tag.to_owned()).collect();
    assert_eq!(distinct.len(), defined.len(), "a tag is defined twice");
    assert!(distinct.len() > 100, "only {} tags are defined", distinct.len());
    let undefined: Vec<_> = used.difference(&distinct).collect();
    let unused: Vec<_> = distinct.difference(&used).collect();
    assert!(undefined.is_empty() && unused.is_empty(), "undefined: {undefined:?}, unused: {unused:?}");
}

/// The tags in a line's comment.
fn tags(line: &str) -> Vec<String> {
    let comment = line.split_once("//").map_or("", |(_, comment)| comment);
    let words = comment.split(|character: char| !character.is_alphanumeric() && character != '_');
    words.filter(|word| is_tag(word)).map(str::to_owned).collect()
}

fn is_tag(word: &str) -> bool {
    matches!(word.as_bytes(), [b'S' | b'R', tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit())
}
