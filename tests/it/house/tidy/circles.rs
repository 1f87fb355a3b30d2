//! Circles among modules: each of them uses the next, and the last one the first.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    imports::{Imports, Module},
    sources::Source,
};

/// The modules that use each other, directly or by way of others, one set for each circle.
pub fn circles(imports: &Imports) -> Vec<BTreeSet<String>> {
    let mut uses: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (user, used) in imports.arrows().filter(|(user, used)| !user.starts_with(used) && !used.starts_with(user)) {
        uses.entry(user).or_default().insert(used);
    }
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        uses.keys().map(|user| (*user, reached_from(user, &uses))).collect();
    let mut circles = BTreeSet::new();
    for (user, others) in &reached {
        let back = |other: &&Module| reached.get(other).is_some_and(|reached| reached.contains(user));
        let circle: BTreeSet<String> = others.iter().copied().filter(back).map(|other| other.join("::")).collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// What a module uses, and what that uses, and so on.
fn reached_from<'a>(user: &'a Module, uses: &BTreeMap<&'a Module, BTreeSet<&'a Module>>) -> BTreeSet<&'a Module> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![user]);
    while let Some(module) = next.pop() {
        let used = uses.get(module).into_iter().flatten();
        next.extend(used.copied().filter(|used| reached.insert(*used)));
    }
    reached
}

/// It finds what it looks for, and a folder and its file are no circle.
#[test]
fn circles_are_found() {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.to_owned() };
    let sources = [
        source("lib.rs", "mod one; mod two; mod three; mod four;"),
        source("one.rs", "use crate::two::Two;"),
        source("two/mod.rs", "mod part;\npub use self::part::Two;\nuse crate::four::Four;"),
        source("two/part.rs", "use crate::three::Three;\nuse crate::two::Other;"),
        source("three.rs", "use crate::one::One;"),
        source("four.rs", "use crate::two::Other;"),
    ];
    let found = circles(&Imports::of(&sources));
    let circle = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(found, [circle(&["four", "two"]), circle(&["one", "three", "two::part"])]);
}
