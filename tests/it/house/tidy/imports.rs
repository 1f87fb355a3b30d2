//! Which file uses which: imports and paths, followed through what folders and the crate's root export again.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::Source;

/// A module's path from the crate's root on; the root itself is empty.
pub type Module = Vec<String>;

/// The modules of a crate, and what each of them exports of others.
pub struct Imports {
    modules: BTreeSet<Module>,
    exports: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
    uses: BTreeMap<Module, BTreeSet<Module>>,
    from_the_root: BTreeSet<(Module, String)>,
}

impl Imports {
    /// Reads all files of the crate.
    pub fn of(sources: &[Source]) -> Self {
        let mut imports = Self {
            modules: sources.iter().map(module_of).collect(),
            exports: BTreeMap::new(),
            uses: BTreeMap::new(),
            from_the_root: BTreeSet::new(),
        };
        for source in sources {
            let statements = statements(&source.code());
            let exported = statements.iter().filter(|(exports, _)| *exports).flat_map(|(_, tree)| paths(tree));
            let named = exported.filter_map(|path| Some((path.last()?.clone(), path)));
            imports.exports.insert(module_of(source), named.collect());
        }
        for source in sources {
            let (module, code) = (module_of(source), source.code());
            let imported = statements(&code).into_iter().filter(|(exports, _)| !exports);
            let used: Vec<Vec<String>> =
                imported.flat_map(|(_, tree)| paths(&tree)).chain(paths_in_the_middle(&code)).collect();
            for path in used.iter().filter(|path| path[0] == "crate" && path.len() > 1) {
                if !imports.modules.contains(&path[1..2]) && path[1].starts_with(char::is_uppercase) {
                    imports.from_the_root.insert((module.clone(), path[1].clone()));
                }
            }
            let used = used.iter().filter_map(|path| imports.resolve(&module, path, 8));
            let used = used.filter(|used| *used != module).collect();
            imports.uses.insert(module, used);
        }
        imports
    }

    /// The modules that each module uses, as `(user, used)`.
    pub fn arrows(&self) -> impl Iterator<Item = (&Module, &Module)> {
        self.uses.iter().flat_map(|(user, used)| used.iter().map(move |used| (user, used)))
    }

    /// Who takes a name from the crate's root, which exports it for users only, as `(user, name)`.
    pub fn taken_from_the_root(&self) -> impl Iterator<Item = (String, &str)> {
        self.from_the_root.iter().map(|(user, name)| (user.join("::"), name.as_str()))
    }

    /// The module in which the last name of a path is defined.
    fn resolve(&self, from: &Module, path: &[String], depth: u8) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let (mut at, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), rest),
            "self" => (from.clone(), rest),
            "super" => (from[..from.len().checked_sub(1)?].to_vec(), rest),
            _ => return None,
        };
        while let Some((name, left)) = rest.split_first() {
            let child: Module = at.iter().chain([name]).cloned().collect();
            if name == "super" {
                at.pop();
            } else if self.modules.contains(&child) {
                at = child;
            } else if let Some(exported) = self.exports.get(&at).and_then(|exports| exports.get(name)) {
                return if depth == 0 { Some(at) } else { self.resolve(&at, exported, depth - 1).or(Some(at)) };
            } else {
                return Some(at);
            }
            rest = left;
        }
        Some(at)
    }
}

fn module_of(source: &Source) -> Module {
    let mut module: Module = source.path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let file = module.pop().unwrap_or_default();
    if file != "mod.rs" && file != "lib.rs" {
        module.push(file.trim_end_matches(".rs").to_owned());
    }
    module
}

/// The `use` statements of a file: whether each exports what it names, and its tree.
fn statements(code: &str) -> Vec<(bool, String)> {
    let mut statements = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rsplit('\n').next().unwrap_or_default().trim();
        if !(line.is_empty() || line.starts_with("pub")) {
            continue;
        }
        let tree = code[at + "use ".len()..].split(';').next().unwrap_or_default();
        statements.push((line.starts_with("pub"), tree.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    statements
}

/// The paths of a tree such as `crate::{a::B, c}`.
fn paths(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((before, braced)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default();
        return vec![name.split("::").map(|part| part.trim().to_owned()).collect()];
    };
    let inside = braced.rsplit_once('}').map_or(braced, |(inside, _)| inside);
    let prefix: Vec<String> = before.split("::").map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect();
    let mut branches = vec![String::new()];
    let mut depth = 0;
    for c in inside.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(String::new());
                continue;
            }
            _ => {}
        }
        branches.last_mut().expect("one at least").push(c);
    }
    let branches = branches.iter().filter(|branch| !branch.trim().is_empty());
    branches.flat_map(|branch| paths(branch)).map(|path| prefix.iter().cloned().chain(path).collect()).collect()
}

/// The paths that code outside of imports names in full.
fn paths_in_the_middle(code: &str) -> Vec<Vec<String>> {
    let is_part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            if code[..at].ends_with(is_part_of_name) || code[..at].ends_with(':') {
                continue;
            }
            let path: String = code[at..].chars().take_while(|&c| is_part_of_name(c) || c == ':').collect();
            let path: Vec<String> = path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            // What goes on in braces is a statement's.
            if path.len() > 1 {
                found.push(path);
            }
        }
    }
    found
}
