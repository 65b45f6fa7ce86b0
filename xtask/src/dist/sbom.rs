//! The bill of materials (SBOM) of the program, as CycloneDX 1.5 in JSON.
//!
//! It owns the components and their names. Invariant: builds of the same commit give the same document: its date is
//! that of the commit, and it has no random serial number. The document is made with CycloneDX's own library, not with
//! cargo-cyclonedx: that tool lists procedural macros, which are not in the program, but neither the bundled C libraries
//! nor musl nor the standard library, and takes almost three minutes of CPU time to compile.

use std::time::{Duration, UNIX_EPOCH};

use cyclonedx_bom::models::component::Classification;
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::property::{Properties, Property};
use cyclonedx_bom::prelude::{
    Bom, Component, Components, DateTime, Metadata, Purl, SpdxExpression, SpecVersion, Validate,
};

use super::build_info::BuildInfo;
use super::bundled_c;
use super::bundled_c::Library;
use super::crates::{Crate, Crates};
use super::{TARGET, pack};
use crate::shell::Result;

/// Returns the document: the program, and its components.
pub(super) fn sbom(crates: &Crates, build_info: &BuildInfo, akvs: &[u8]) -> Result<Vec<u8>> {
    let mut program = None;
    let mut components = Vec::new();
    for one in &crates.0 {
        let component = from_crate(one)?;
        match one.name.as_str() {
            "akvs" => program = Some(component),
            _ => components.push(component),
        }
    }
    let mut edges = edges(crates);
    for (bundler, library) in bundled_c::libraries(crates)? {
        let component = from_library(&library)?;
        let reference = component.bom_ref.clone().unwrap_or_default();
        let bundler = bundler.map_or("akvs", |index| crates.0[index].name.as_str());
        let prefix = format!("pkg:cargo/{bundler}@");
        if let Some(edge) = edges
            .iter_mut()
            .find(|edge| edge.dependency_ref.starts_with(&prefix))
        {
            edge.dependencies.push(reference.clone());
        }
        edges.push(Dependency {
            dependency_ref: reference,
            dependencies: Vec::new(),
        });
        components.push(component);
    }
    let program = program.ok_or("akvs is not among its crates")?;
    let program = with_build(program, build_info, akvs);
    let metadata = Metadata {
        timestamp: Some(date(build_info.epoch)?),
        component: Some(program),
        ..Metadata::default()
    };
    write(Bom {
        version: 1,
        serial_number: None,
        metadata: Some(metadata),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(edges)),
        spec_version: SpecVersion::V1_5,
        ..Bom::default()
    })
}

fn write(sbom: Bom) -> Result<Vec<u8>> {
    let validation = sbom.validate_version(SpecVersion::V1_5);
    if !validation.passed() {
        return Err(format!("invalid bill of materials: {validation:?}").into());
    }
    let mut bytes = Vec::new();
    sbom.output_as_json_v1_5(&mut bytes)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn date(epoch: u64) -> Result<DateTime> {
    let time = UNIX_EPOCH + Duration::from_secs(epoch);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    Ok(DateTime::try_from(text)?)
}

/// Returns the component of the program, with its commit, target and checksum.
fn with_build(component: Component, build_info: &BuildInfo, akvs: &[u8]) -> Component {
    let properties = [("commit", build_info.commit.as_str()), ("target", TARGET)];
    let properties = properties.map(|(name, value)| Property::new(format!("akvs:{name}"), value));
    Component {
        component_type: Classification::Application,
        hashes: Some(hashes(pack::sha256(akvs))),
        properties: Some(Properties(properties.to_vec())),
        ..component
    }
}

fn from_crate(one: &Crate) -> Result<Component> {
    let purl = Purl::new("cargo", &one.name, &one.version)?;
    let mut component = component(&one.name, &one.version, purl);
    component.licenses = one.licence.as_deref().map(licences).transpose()?;
    component.hashes = one.checksum.clone().map(hashes);
    Ok(component)
}

fn from_library(library: &Library) -> Result<Component> {
    let purl = Purl::new("generic", library.name, &library.version)?;
    let mut component = component(library.name, &library.version, purl);
    component.licenses = Some(licences(library.licence)?);
    Ok(component)
}

fn component(name: &str, version: &str, purl: Purl) -> Component {
    let reference = Some(purl.to_string());
    let mut component = Component::new(Classification::Library, name, version, reference);
    component.purl = Some(purl);
    component
}

fn licences(expression: &str) -> Result<Licenses> {
    // Lenient, because old crates write `MIT/Apache-2.0`.
    let expression = SpdxExpression::parse_lax(expression.to_owned())?;
    Ok(Licenses(vec![LicenseChoice::Expression(expression)]))
}

fn hashes(sha256: String) -> Hashes {
    Hashes(vec![Hash {
        alg: HashAlgorithm::SHA_256,
        content: HashValue(sha256),
    }])
}

/// Returns the dependencies of each crate.
fn edges(crates: &Crates) -> Vec<Dependency> {
    let reference = |one: &Crate| format!("pkg:cargo/{}@{}", one.name, one.version);
    let edges = crates.0.iter().map(|one| {
        let dependencies = one.dependencies.iter();
        Dependency {
            dependency_ref: reference(one),
            dependencies: dependencies
                .map(|&index| reference(&crates.0[index]))
                .collect(),
        }
    });
    edges.collect()
}
