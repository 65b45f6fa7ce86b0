//! The references of the pages: links to pages and headings, paths of the repository, and the table of crates.

use std::fs;
use std::path::{Path, PathBuf};

/// A page of the repository.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    /// Reads a page, by its path from the root.
    fn read(path: &str) -> Page {
        let path = root().join(path);
        let text = fs::read_to_string(&path).unwrap();
        Page { path, text }
    }

    /// Reads all pages.
    fn all() -> Vec<Page> {
        let mut paths = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
            .map(|page| root().join(page))
            .to_vec();
        for folder in ["docs", "docs/adr"] {
            let entries = fs::read_dir(root().join(folder)).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
        }
        paths.retain(|path| path.extension().is_some_and(|end| end == "md"));
        let read = |path| Page {
            text: fs::read_to_string(&path).unwrap(),
            path,
        };
        paths.into_iter().map(read).collect()
    }

    /// Returns the texts in backquotes that look like paths.
    fn paths(&self) -> impl Iterator<Item = &str> {
        let outside_blocks = self.text.split("```").step_by(2);
        let quoted = outside_blocks.flat_map(|text| text.split('`').skip(1).step_by(2));
        quoted.filter(|text| text.contains('/') && !text.starts_with('/') && !text.contains(' '))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_table_of_layers_has_every_crate() {
    let page = Page::read("docs/architecture.md");
    for entry in fs::read_dir(root()).unwrap() {
        let entry = entry.unwrap();
        if entry.path().join("Cargo.toml").is_file() {
            let row = format!("| `{}` |", entry.file_name().to_string_lossy());
            assert!(page.text.contains(&row), "no row {row}");
        }
    }
}

#[test]
fn every_path_of_the_architecture_page_exists() {
    let page = Page::read("docs/architecture.md");
    let mut paths = 0;
    for path in page.paths() {
        assert!(root().join(path).exists(), "{path} does not exist");
        paths += 1;
    }
    assert!(paths > 80, "{paths} paths");
}

/// On other pages a path may be of a release, a system or a user. A path that begins with a directory of the repository
/// must exist, unless a build creates it.
#[test]
fn every_path_into_the_repository_exists() {
    let mut paths = 0;
    for page in Page::all() {
        for path in page.paths() {
            let first = path.split('/').next().unwrap_or_default();
            if ![".", "target"].contains(&first) && root().join(first).is_dir() {
                let exists = root().join(path).exists();
                assert!(exists, "{:?}: {path} does not exist", page.path);
                paths += 1;
            }
        }
    }
    assert!(paths > 90, "{paths} paths");
}

#[test]
fn every_link_leads_to_a_page_and_its_heading() {
    let mut links = 0;
    for page in Page::all() {
        for target in page.text.split("](").skip(1) {
            let target = target.split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.path.clone(),
                file => page.path.parent().unwrap().join(file),
            };
            let linked = fs::read_to_string(&file);
            let linked =
                linked.unwrap_or_else(|error| panic!("{:?}: {target}: {error}", page.path));
            let exists = place.is_empty() || linked.lines().any(|line| anchor(line) == place);
            assert!(exists, "{:?}: no heading for {target}", page.path);
            links += 1;
        }
    }
    assert!(links > 60, "{links} links");
}

/// Returns the anchor of a heading; empty for any other line.
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
