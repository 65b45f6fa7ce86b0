//! Works in the program that Cargo does not know: C code of crates, and libraries of the toolchain.
//!
//! It owns the list, and the way to the version of each. A version that cannot be found is an error: the list is
//! outdated.

use std::fs;
use std::path::Path;

use super::TARGET;
use super::crates::{Crate, Crates};
use crate::shell::{Result, program, read};

/// A work that is not a crate.
pub(super) struct Work {
    pub(super) name: &'static str,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: &'static str,
}

/// How a crate says which version it brings along.
type Version = fn(&Crate) -> Result<String>;

/// What crates bring along: the crate, the work and its licence.
const OF_CRATES: &[(&str, &str, &str, Version)] = &[
    ("zstd-sys", "zstd", "BSD-3-Clause", of_zstd),
    ("libmimalloc-sys", "mimalloc", "MIT", of_mimalloc),
    ("ring", "boringssl", "Apache-2.0 AND ISC", of_boringssl),
];

/// All of them, each with the crate that brings it along, or none where the toolchain does.
pub(super) fn works(crates: &Crates) -> Result<Vec<(Option<usize>, Work)>> {
    let mut works = Vec::new();
    for (owner, name, licence, version) in OF_CRATES {
        let owners = crates.0.iter().enumerate();
        for (at, one) in owners.filter(|(_, one)| one.name == *owner) {
            let version = version(one)?;
            let work = Work {
                name,
                version,
                licence,
            };
            works.push((Some(at), work));
        }
    }
    works.push((None, of_rust()?));
    works.push((None, of_musl()?));
    Ok(works)
}

/// The crate's version ends with it: `2.0.16+zstd.1.5.7`.
fn of_zstd(one: &Crate) -> Result<String> {
    let version = one.version.split_once("+zstd.");
    let (_, version) = version.ok_or("zstd-sys does not say which zstd it has")?;
    Ok(version.to_owned())
}

fn of_mimalloc(one: &Crate) -> Result<String> {
    let header = one.folder.join("c_src/mimalloc/v3/include/mimalloc.h");
    let number = number_in(&fs::read_to_string(header)?);
    Ok(number.ok_or("mimalloc's header has no version")?)
}

/// `#define MI_MALLOC_VERSION 30302`: two digits each for the last two parts.
fn number_in(header: &str) -> Option<String> {
    let (_, rest) = header.split_once("#define MI_MALLOC_VERSION")?;
    let number: u32 = rest.split_whitespace().next()?.parse().ok()?;
    let (major, minor, patch) = (number / 10_000, number / 100 % 100, number % 100);
    Some(format!("{major}.{minor}.{patch}"))
}

/// BoringSSL has no versions: what counts is the crate's.
fn of_boringssl(one: &Crate) -> Result<String> {
    Ok(format!("ring-{}", one.version))
}

/// The standard library, with LLVM's unwinder.
fn of_rust() -> Result<Work> {
    let version = read(&mut program("rustc", &["--version", "--verbose"]))?;
    let release = version
        .lines()
        .find_map(|line| line.strip_prefix("release: "));
    Ok(Work {
        name: "rust-std",
        version: release.ok_or("rustc does not say its version")?.to_owned(),
        licence: "(MIT OR Apache-2.0) AND Apache-2.0 WITH LLVM-exception",
    })
}

fn of_musl() -> Result<Work> {
    let print = ["--print", "target-libdir", "--target", TARGET];
    let folder = read(&mut program("rustc", &print))?;
    let library = Path::new(folder.trim()).join("self-contained/libc.a");
    let version = version_among(&fs::read(library)?);
    Ok(Work {
        name: "musl",
        version: version.ok_or("the toolchain's musl does not say its version")?,
        licence: "MIT",
    })
}

/// The only text of the library that is three numbers.
fn version_among(library: &[u8]) -> Option<String> {
    let texts = library.split(|&byte| byte == 0);
    let mut texts = texts.filter_map(|text| std::str::from_utf8(text).ok());
    let version = texts.find(|text| {
        let parts: Vec<&str> = text.split('.').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        parts.len() == 3 && parts.iter().all(is_number)
    })?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_where_it_stands() {
        let header = "/* */\n#define MI_MALLOC_VERSION 30302   // major + 2 digits\n";
        assert_eq!(number_in(header).unwrap(), "3.3.2");
        assert_eq!(number_in("#define MI_OTHER 1"), None);
        let library = b"\x7fELF\0\xff\xfe\0a.b.c\0" as &[u8];
        assert_eq!(version_among(library), None);
        let library = [library, b"1.2\x001.2.5\x00x".as_slice()].concat();
        assert_eq!(version_among(&library).unwrap(), "1.2.5");
    }
}
