//! What the pages point at: links to other pages and their headings, and the table of crates.

use std::fs;
use std::path::Path;

#[test]
fn the_table_of_crates_names_every_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        if entry.path().join("Cargo.toml").is_file() {
            let row = format!("| `{}` |", entry.file_name().to_string_lossy());
            assert!(page.contains(&row), "no row {row}");
        }
    }
}

#[test]
fn the_links_of_all_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for folder in ["docs", "docs/adr"] {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        pages.extend(entries.map(|entry| entry.unwrap().path()));
    }
    pages.retain(|page| page.extension().is_some_and(|end| end == "md"));
    let mut links = 0;
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for target in text.split("](").skip(1) {
            let target = target.split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let linked = fs::read_to_string(&file);
            let linked = linked.unwrap_or_else(|error| panic!("{page:?}: {target}: {error}"));
            let is_there = place.is_empty() || linked.lines().any(|line| anchor(line) == place);
            assert!(is_there, "{page:?}: no heading for {target}");
            links += 1;
        }
    }
    assert!(links > 60, "{links} links");
}

/// What a heading is linked by; nothing for any other line.
fn anchor(line: &str) -> String {
    let Some(heading) = line.strip_prefix('#') else {
        return String::new();
    };
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.replace(' ', "-");
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        .collect()
}
