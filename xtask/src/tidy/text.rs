//! Rules for any text file: no path of one machine, no package registry, a settings file that explains itself.
//!
//! It does not parse Rust. A rule checks one line at a time, so that its message has a line.

use super::{File, Violation};

/// Written in two halves, so that this file does not break its own rule.
const PLACES: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("npmjs", ".org"),
    concat!("py", "pi.org"),
    concat!("pythonhosted", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("rubygems", ".org"),
    concat!("deb.debian", ".org"),
];
const CONFIG: &str = "config/akvs.toml";

/// Checks the lines of a file.
pub(super) fn check(file: &File) -> Vec<Violation> {
    if file.path == "Cargo.lock" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        if let Some(place) = PLACES.iter().find(|place| names_place(line, place)) {
            let what = format!("names a folder of one machine ({place})");
            found.push(Violation::new(&file.path, number, what));
        }
        if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
            found.push(Violation::new(
                &file.path,
                number,
                format!("names a package registry ({host})"),
            ));
        }
    }
    found
}

/// An absolute path begins there: within a path or an address the same letters are a route.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !"._-}/*".contains(before))
    })
}

/// Checks that the settings file exists, has every key commented out, and explains each.
pub(super) fn check_config(files: &[File]) -> Vec<Violation> {
    let Some(config) = files.iter().find(|file| file.path == CONFIG) else {
        return vec![Violation::new(CONFIG, 1, "is missing")];
    };
    let mut explained = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(config.text.lines()) {
        let line = line.trim();
        match line.strip_prefix('#') {
            Some(comment) if is_setting(comment) => {
                if !explained {
                    found.push(Violation::new(
                        CONFIG,
                        number,
                        "no comment above this key says what it does",
                    ));
                }
                explained = false;
            }
            Some(comment) => explained |= !comment.trim().is_empty(),
            None if is_setting(line) => {
                found.push(Violation::new(
                    CONFIG,
                    number,
                    "a key must be commented out, at its default",
                ));
            }
            None => explained = false,
        }
    }
    found
}

fn is_setting(line: &str) -> bool {
    line.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim();
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_folder_of_one_machine_is_found_where_a_path_begins() {
        for place in PLACES {
            for line in [
                format!("{place}me"),
                format!("cd {place}me"),
                format!("\"{place}me\""),
            ] {
                assert_eq!(
                    check(&file("a.md", &format!("fine\n{line}")))[0].line,
                    2,
                    "{line}"
                );
            }
            for line in [
                format!("http://localhost{place}me"),
                format!("${{base}}{place}me"),
                format!("a{place}"),
            ] {
                assert_eq!(check(&file("a.md", &line)), [], "{line}");
            }
        }
    }

    #[test]
    fn a_registry_is_found_anywhere_but_in_the_lock_file() {
        for host in REGISTRIES {
            let line = format!("https://static.{host}/x");
            assert_eq!(check(&file("a.md", &line)).len(), 1, "{line}");
            assert_eq!(check(&file("Cargo.lock", &line)), []);
        }
    }

    #[test]
    fn a_settings_file_explains_each_key() {
        let lines = |text: &str| -> Vec<usize> {
            let found = check_config(&[file(CONFIG, text)]);
            found.into_iter().map(|violation| violation.line).collect()
        };
        assert_eq!(
            lines("[http]\n# Where to listen.\n# listen = [\"127.0.0.1:8080\"]\n"),
            NONE
        );
        assert_eq!(lines("# Where to listen.\nlisten = 1\n"), [2], "a live key");
        assert_eq!(lines("[http]\n# listen = 1\n"), [2], "no comment");
        assert_eq!(
            lines("# One comment.\n# a = 1\n# b = 2\n"),
            [3],
            "one comment for two keys"
        );
        assert_eq!(
            lines("# Of the file.\n\n# a = 1\n"),
            [3],
            "a comment that stands apart"
        );
        assert_eq!(check_config(&[])[0].what, "is missing");
    }
}
