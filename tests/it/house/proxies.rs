//! The lines that the guide tells users of a proxy to write are those that were tried.

use std::{fs, path::Path};

/// The headings of the guide, and the configurations that are started in front of the examples.
const TRIED: [(&str, &[&str]); 9] = [
    ("nginx", &["nginx.conf"]),
    ("HAProxy", &["haproxy.cfg"]),
    ("Apache", &["apache.conf"]),
    ("Caddy", &["Caddyfile"]),
    ("Traefik", &["traefik.yml", "traefik-routes.yml"]),
    ("Envoy", &["envoy.yaml"]),
    ("Varnish", &["varnish.vcl"]),
    ("lighttpd", &["lighttpd.conf"]),
    ("Squid", &["squid.conf"]),
];

#[test]
fn what_the_guide_says_to_write_was_tried_as_a_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxies");
    let guide = include_str!("../../../src/guide/proxy.md");
    for (name, files) in TRIED {
        let section = guide.split(&format!("\n## {name}\n")).nth(1).unwrap_or_else(|| panic!("the guide lacks {name}"));
        let section = section.split("\n## ").next().unwrap_or_default();
        let block = section.split("```").nth(1).unwrap_or_else(|| panic!("{name} has no lines to write"));
        let tried: String =
            files.iter().map(|file| fs::read_to_string(folder.join(file)).expect("a configuration")).collect();
        for line in block.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()) {
            assert!(tried.lines().any(|tried| tried.trim() == line), "{name}: {line} was not tried");
        }
    }
}
