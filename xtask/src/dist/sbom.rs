//! The bill of materials: what is in the program, as CycloneDX 1.5 in JSON.
//!
//! Owns how works are named there. Invariant: it says nothing that changes from build to build of the same: its date is
//! the commit's, and it has no serial number, which would have to be random.

use std::time::{Duration, UNIX_EPOCH};

use cyclonedx_bom::models::component::Classification;
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::property::{Properties, Property};
use cyclonedx_bom::prelude::{
    Bom, Component, Components, DateTime, Metadata, Purl, SpdxExpression, SpecVersion, Validate,
};

use super::build_info::Origin;
use super::bundled_c;
use super::bundled_c::Work;
use super::crates::{Crate, Crates};
use super::{TARGET, pack};
use crate::shell::Result;

/// The program is the first; all else is what it is made of.
pub(super) fn bill(crates: &Crates, origin: &Origin, akvs: &[u8]) -> Result<Vec<u8>> {
    let mut program = None;
    let mut components = Vec::new();
    for one in &crates.0 {
        let component = of_crate(one)?;
        match one.name.as_str() {
            "akvs" => program = Some(component),
            _ => components.push(component),
        }
    }
    let mut edges = edges(crates);
    for (owner, work) in bundled_c::works(crates)? {
        let component = of_work(&work)?;
        let name = reference(&component);
        let owner = owner.map_or("akvs", |at| crates.0[at].name.as_str());
        let begin = format!("pkg:cargo/{owner}@");
        if let Some(edge) = edges
            .iter_mut()
            .find(|edge| edge.dependency_ref.starts_with(&begin))
        {
            edge.dependencies.push(name.clone());
        }
        edges.push(Dependency {
            dependency_ref: name,
            dependencies: Vec::new(),
        });
        components.push(component);
    }
    let program = of_program(program.ok_or("akvs is not among its crates")?, origin, akvs);
    let metadata = Metadata {
        timestamp: Some(date(origin.epoch)?),
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

fn write(bill: Bom) -> Result<Vec<u8>> {
    let judged = bill.validate_version(SpecVersion::V1_5);
    if !judged.passed() {
        return Err(format!("the bill of materials is not valid: {judged:?}").into());
    }
    let mut bytes = Vec::new();
    bill.output_as_json_v1_5(&mut bytes)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn date(epoch: u64) -> Result<DateTime> {
    let time = UNIX_EPOCH + Duration::from_secs(epoch);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    Ok(DateTime::try_from(text)?)
}

fn of_program(component: Component, origin: &Origin, akvs: &[u8]) -> Component {
    let properties = [("commit", origin.commit.as_str()), ("target", TARGET)];
    let properties = properties.map(|(name, value)| Property::new(format!("akvs:{name}"), value));
    Component {
        component_type: Classification::Application,
        hashes: Some(hashes(pack::sha256(akvs))),
        properties: Some(Properties(properties.to_vec())),
        ..component
    }
}

fn of_crate(one: &Crate) -> Result<Component> {
    let purl = Purl::new("cargo", &one.name, &one.version)?;
    let mut component = library(&one.name, &one.version, purl);
    component.licenses = one.licence.as_deref().map(licences).transpose()?;
    component.hashes = one.checksum.clone().map(hashes);
    Ok(component)
}

fn of_work(work: &Work) -> Result<Component> {
    let purl = Purl::new("generic", work.name, &work.version)?;
    let mut component = library(work.name, &work.version, purl);
    component.licenses = Some(licences(work.licence)?);
    Ok(component)
}

fn library(name: &str, version: &str, purl: Purl) -> Component {
    let reference = Some(purl.to_string());
    let mut component = Component::new(Classification::Library, name, version, reference);
    component.purl = Some(purl);
    component
}

fn licences(expression: &str) -> Result<Licenses> {
    // Old crates write `MIT/Apache-2.0`, which is no expression.
    let expression = SpdxExpression::parse_lax(expression.to_owned())?;
    Ok(Licenses(vec![LicenseChoice::Expression(expression)]))
}

fn hashes(sha256: String) -> Hashes {
    Hashes(vec![Hash {
        alg: HashAlgorithm::SHA_256,
        content: HashValue(sha256),
    }])
}

fn reference(component: &Component) -> String {
    component.bom_ref.clone().unwrap_or_default()
}

/// What each crate is linked with.
fn edges(crates: &Crates) -> Vec<Dependency> {
    let name = |one: &Crate| format!("pkg:cargo/{}@{}", one.name, one.version);
    let edges = crates.0.iter().map(|one| Dependency {
        dependency_ref: name(one),
        dependencies: one.needs.iter().map(|&at| name(&crates.0[at])).collect(),
    });
    edges.collect()
}
