//! The README tells the truth: its transcript is executed, command by command, against the example.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::example::my_devices::Server;

/// One command of the transcript, and its output.
#[derive(Debug)]
struct Step {
    command: String,
    answer: String,
}

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a README")
}

/// The blocks between fences of this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            blocks.push(lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n"));
        }
    }
    blocks
}

/// A line after `$ ` is a command; what follows up to the next one is its answer.
fn steps(transcript: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in transcript.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), answer: String::new() });
        } else if let Some(step) = steps.last_mut() {
            step.answer.push_str(line);
            step.answer.push('\n');
        }
    }
    steps
}

/// Runs all commands in one shell, and returns what each wrote.
fn run(steps: &[Step], address: &str) -> Vec<String> {
    let script: String = steps
        .iter()
        .map(|step| format!("{}\nprintf '\\036'\n", step.command.replace("127.0.0.1:3000", address)))
        .collect();
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .stdin(Stdio::null())
        .output()
        .expect("a shell, as the transcript needs one");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", output.status);
    let stdout = String::from_utf8(output.stdout).expect("text").replace('\r', "");
    let mut answers: Vec<String> = stdout.split('\u{1e}').map(str::to_owned).collect();
    assert_eq!(answers.pop().as_deref(), Some(""), "nothing is written after the last command");
    answers
}

/// What differs from run to run, made equal: ids, tokens, times.
fn without_accidents(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "-_.:…".contains(c);
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(word) {
        let end = rest[start..].find(|c| !word(c)).map_or(rest.len(), |length| start + length);
        plain.push_str(&rest[..start]);
        plain.push_str(kind_of(&rest[start..end]));
        rest = &rest[end..];
    }
    plain.push_str(rest);
    plain
}

fn kind_of(word: &str) -> &str {
    let hex_and_hyphens = word.len() == 36 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if hex_and_hyphens {
        "<id>"
    } else if word.starts_with("eyJ") {
        "<token>"
    } else if word.len() == 24 && word.ends_with('Z') && word.starts_with("20") {
        "<time>"
    } else {
        word
    }
}

/// The lines of an answer without the date of its head; JSON in one form, however it is wrapped.
fn normal(answer: &str) -> String {
    let plain = without_accidents(answer);
    let (head, body) = match plain.starts_with("HTTP/") {
        true => plain.split_once("\n\n").unwrap_or((plain.trim_end(), "")),
        false => ("", plain.as_str()),
    };
    let undated = |line| if str::starts_with(line, "date: ") { "date: <date>" } else { line };
    let head = head.lines().map(undated).collect::<Vec<_>>().join("\n");
    let body = serde_json::from_str::<Value>(body).map_or_else(|_| body.trim().to_owned(), |json| json.to_string());
    format!("{head}\n\n{body}").trim().to_owned()
}

#[test]
fn the_transcript_is_what_happens() {
    let has_curl = Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_curl {
        assert!(std::env::var_os("CI").is_none(), "the transcript needs curl");
        println!("skipped: the README's transcript needs curl");
        return;
    }
    let steps = steps(&blocks(&readme(), "console").join("\n"));
    assert!(steps.len() > 5, "{steps:?}");

    let server = Server::start(&[]);
    for (step, answer) in steps.iter().zip(run(&steps, &server.address)) {
        assert_eq!(normal(&answer), normal(&step.answer), "$ {}\n{answer}", step.command);
    }
}

/// The first commands a newcomer runs are those that CI runs.
#[test]
fn the_readme_names_the_two_commands() {
    let shell = blocks(&readme(), "sh");
    assert_eq!(shell[0], "cargo run --example my_devices --features sqlite\ncargo test --all-features");
}

/// Wherever the README is shown, in the repository, in the package or on the crate's page: what it leads to is
/// absolute, or a file that is packaged.
#[test]
fn the_readmes_links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let readme = readme();
    let links = ["](", "src=\"", "href=\""].into_iter().flat_map(|opening| readme.split(opening).skip(1));
    let mut count = 0;
    for target in links.filter_map(|rest| rest.split([')', '"']).next()) {
        count += 1;
        if ["https://", "http://127.0.0.1", "#"].iter().any(|absolute| target.starts_with(absolute)) {
            continue;
        }
        let folder = target.split('/').next().unwrap_or_default();
        assert!(root.join(target).exists(), "{target} is not there");
        // A published manifest is generated, and lists no such thing.
        assert!(
            !manifest.contains("\ninclude = [") || manifest.contains(&format!("\"/{folder}")),
            "{target} is not packaged"
        );
    }
    assert!(count >= 5, "{count} links");
}

/// The table of settings is that of the example.
#[test]
fn the_readme_lists_every_setting_of_the_example() {
    let settings = include_str!("../../../examples/my_devices/settings.rs");
    let variables = settings.lines().filter_map(|line| line.strip_prefix("//! | `")?.split('`').next());
    let readme = readme();
    let mut count = 0;
    for variable in variables {
        assert!(readme.contains(&format!("| `{variable}` |")), "{variable}");
        count += 1;
    }
    assert!(count >= 8, "{count} settings");
}
