//! Compares `tower-device-sessions` with its peers, side by side in one process.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick
//! ```
//!
//! The cases take turns, in many short rounds, so that what disturbs one of them disturbs all. A case's time is the
//! median of its rounds; its allocations are counted by the allocator. The *floor* is the bare handler; what a case
//! *adds* is the difference to it. At the end comes one line per figure: `RATIO <name> <value>`.

mod allocations;
mod cases;
mod figures;
mod first_sight;
mod hot;
mod memory;
mod ours;
mod rivals;
mod rounds;
mod scale;
mod threads;
mod tutorial;
mod writes;

use std::error::Error;

use figures::Figures;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

pub type Failure = Box<dyn Error + Send + Sync>;

/// How much time to take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Quick,
    Thorough,
}

impl Pace {
    pub fn pick<T>(self, quick: T, thorough: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Thorough => thorough,
        }
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let pace = if arguments.iter().any(|argument| argument == "--quick") { Pace::Quick } else { Pace::Thorough };
    let chosen: Vec<&str> = arguments.iter().map(String::as_str).filter(|name| !name.starts_with("--")).collect();
    let wants = |name: &str| chosen.is_empty() || chosen.contains(&name);

    let mut figures = Figures::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if wants("requests") {
        runtime.block_on(cases::run(pace, &mut figures))?;
    }
    if wants("first_sight") {
        runtime.block_on(first_sight::run(pace, &mut figures))?;
    }
    if wants("scale") {
        // A million sessions are read one by one, and to wake a thread for each takes longer than all the rest.
        let one_thread = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        one_thread.block_on(scale::run(pace, &mut figures))?;
    }
    if wants("threads") {
        runtime.block_on(threads::run(pace, &mut figures))?;
    }
    if wants("memory") {
        runtime.block_on(memory::run(pace, &mut figures))?;
    }
    if wants("writes") {
        runtime.block_on(writes::run(&mut figures))?;
    }
    if wants("hot") {
        runtime.block_on(hot::run(pace, &mut figures))?;
    }
    figures.print();
    if tutorial::Scratch::folder().exists() {
        std::fs::remove_dir_all(tutorial::Scratch::folder())?;
    }
    Ok(())
}
