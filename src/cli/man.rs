//! `akvs man`: the manual page, generated from the verbs.

use std::io::Write;

use super::command;
use crate::error::CliError;
use crate::output;

/// Runs `akvs man`: one page with a section per verb.
pub(crate) fn run() -> Result<(), CliError> {
    let mut all = command::command();
    all.build();
    let mut page = Vec::new();
    let cannot = |error| CliError::failed(format!("cannot write the manual page: {error}"));
    let whole = clap_mangen::Man::new(all.clone()).section("1");
    whole.render(&mut page).map_err(cannot)?;
    for verb in all.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        verb_of(verb, &mut page).map_err(cannot)?;
    }
    output::write(&page).map(drop)
}

/// Renders the section of a verb, and those of the verbs below it.
fn verb_of(verb: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let name = verb.get_bin_name().unwrap_or_else(|| verb.get_name());
    writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
    let man = clap_mangen::Man::new(verb.clone());
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    // The page has the help of each verb already.
    let below = verb.get_subcommands().filter(|_| verb.get_name() != "help");
    for verb in below.filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        verb_of(verb, page)?;
    }
    Ok(())
}
