//! The libraries in the program that are not crates: C code bundled in crates, and libraries of the toolchain.
//!
//! It owns the list, and how each version is found. Invariant: a version that cannot be found is an error, because the
//! list is then outdated.

use std::fs;
use std::path::Path;

use super::TARGET;
use super::crates::{Crate, Crates};
use crate::shell::{Result, program, read};

/// A library that is not a crate.
pub(super) struct Library {
    pub(super) name: &'static str,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: &'static str,
}

/// Returns the version of the library that a crate bundles.
type Version = fn(&Crate) -> Result<String>;

/// The crates with bundled C: the crate, the library and its licence.
const BUNDLED: &[(&str, &str, &str, Version)] = &[
    ("zstd-sys", "zstd", "BSD-3-Clause", zstd_version),
    ("libmimalloc-sys", "mimalloc", "MIT", mimalloc_version),
    ("ring", "boringssl", "Apache-2.0 AND ISC", boringssl_version),
];

/// Returns all libraries, each with the index of the crate that bundles it; `None` for those of the toolchain.
pub(super) fn libraries(crates: &Crates) -> Result<Vec<(Option<usize>, Library)>> {
    let mut libraries = Vec::new();
    for (bundler, name, licence, version) in BUNDLED {
        let crates = crates.0.iter().enumerate();
        for (index, one) in crates.filter(|(_, one)| one.name == *bundler) {
            let version = version(one)?;
            let library = Library {
                name,
                version,
                licence,
            };
            libraries.push((Some(index), library));
        }
    }
    libraries.push((None, standard_library()?));
    libraries.push((None, musl()?));
    Ok(libraries)
}

/// Returns the version after the crate's own, as in `2.0.16+zstd.1.5.7`.
fn zstd_version(one: &Crate) -> Result<String> {
    let version = one.version.split_once("+zstd.");
    let (_, version) = version.ok_or("the version of zstd-sys does not name that of zstd")?;
    Ok(version.to_owned())
}

fn mimalloc_version(one: &Crate) -> Result<String> {
    let header = one.folder.join("c_src/mimalloc/v3/include/mimalloc.h");
    let version = version_in_header(&fs::read_to_string(header)?);
    Ok(version.ok_or("mimalloc's header has no version")?)
}

/// Parses `#define MI_MALLOC_VERSION 30302`, with two digits for each of the last two parts.
fn version_in_header(header: &str) -> Option<String> {
    let (_, rest) = header.split_once("#define MI_MALLOC_VERSION")?;
    let number: u32 = rest.split_whitespace().next()?.parse().ok()?;
    let (major, minor, patch) = (number / 10_000, number / 100 % 100, number % 100);
    Some(format!("{major}.{minor}.{patch}"))
}

/// Returns the version of ring: BoringSSL has none.
fn boringssl_version(one: &Crate) -> Result<String> {
    Ok(format!("ring-{}", one.version))
}

/// Returns the standard library, which includes LLVM's unwinder.
fn standard_library() -> Result<Library> {
    let version = read(&mut program("rustc", &["--version", "--verbose"]))?;
    let release = version
        .lines()
        .find_map(|line| line.strip_prefix("release: "));
    Ok(Library {
        name: "rust-std",
        version: release
            .ok_or("rustc --version --verbose has no release")?
            .to_owned(),
        licence: "(MIT OR Apache-2.0) AND Apache-2.0 WITH LLVM-exception",
    })
}

fn musl() -> Result<Library> {
    let print = ["--print", "target-libdir", "--target", TARGET];
    let folder = read(&mut program("rustc", &print))?;
    let library = Path::new(folder.trim()).join("self-contained/libc.a");
    let version = version_in_library(&fs::read(library)?);
    Ok(Library {
        name: "musl",
        version: version.ok_or("the toolchain's musl has no version")?,
        licence: "MIT",
    })
}

/// Returns the only text of the library that consists of three numbers.
fn version_in_library(library: &[u8]) -> Option<String> {
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
    fn versions_are_found_in_headers_and_libraries() {
        let header = "/* */\n#define MI_MALLOC_VERSION 30302   // major + 2 digits\n";
        assert_eq!(version_in_header(header).unwrap(), "3.3.2");
        assert_eq!(version_in_header("#define MI_OTHER 1"), None);
        let library = b"\x7fELF\0\xff\xfe\0a.b.c\0" as &[u8];
        assert_eq!(version_in_library(library), None);
        let library = [library, b"1.2\x001.2.5\x00x".as_slice()].concat();
        assert_eq!(version_in_library(&library).unwrap(), "1.2.5");
    }
}
