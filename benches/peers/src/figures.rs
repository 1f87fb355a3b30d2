//! What came out, for people and for scripts.

/// Named numbers, in the order in which they were found.
#[derive(Default)]
pub struct Figures(Vec<(String, f64)>);

impl Figures {
    pub fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), value));
    }

    /// One line each.
    pub fn print(&self) {
        println!();
        for (name, value) in &self.0 {
            println!("RATIO {name} {value:.2}");
        }
    }
}

/// A heading of the report.
pub fn heading(text: &str) {
    println!("\n{text}\n");
}
