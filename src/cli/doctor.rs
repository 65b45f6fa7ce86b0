//! `akvs doctor`: whether this machine and these settings are fit for a server, a line each.
//!
//! It changes nothing, but for a file of a few KiB in the data folder that it writes, syncs and removes. It does not
//! read the data: `akvs verify` does.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;

use super::DataDirArgs;
use crate::compose::offline;
use crate::control::{ControlClient, block_on};
use crate::credentials::Credentials;
use crate::error::CliError;
use crate::listeners::ListenTargets;
use crate::output;
use crate::settings::{EngineKind, Loaded, Settings};
use crate::{clock, rlimit, socket};

/// How often a sync is measured, and with what.
const SYNCS: usize = 50;
const SYNCED: [u8; 4_096] = [0x5a; 4_096];
/// What a sync takes on a disk that is fit for many writers.
const SLOW_SYNC: Duration = Duration::from_millis(20);
/// Less than this and the server stops taking writes; less than that, and it is time to see to it.
const FULL_BYTES: u64 = 64 << 20;
const LOW_BYTES: u64 = 1 << 30;
/// File systems that lose everything at a restart, or on which a sync or a lock may not be what it is.
const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6_u32 as i64;
const NFS: i64 = 0x6969;
const CIFS: i64 = 0xff53_4d42_u32 as i64;
const OVERLAYFS: i64 = 0x794c_7630;
/// A clock before this was never set: 2026-01-01.
const MIN_CLOCK_MS: u64 = 1_767_225_600_000;

/// What was found of one thing.
enum Finding {
    Pass(String),
    /// It works, but not as well as it could, or not for long.
    Warn(String),
    Fail(String),
}

use Finding::{Fail, Pass, Warn};

pub(crate) fn run(flags: &DataDirArgs) -> Result<(), CliError> {
    let loaded = flags.load()?;
    let settings = &loaded.settings;
    let mut findings = vec![("settings", check_settings(&loaded))];
    let folder = Path::new(&settings.data_dir);
    // The folder of the first start is still to be made: what is above it counts.
    let there = folder.ancestors().find(|above| above.is_dir());
    let there = there.unwrap_or(Path::new("/"));
    findings.push(("server", check_server(settings)));
    findings.push(("data folder", check_folder(folder, settings)));
    if settings.engine.kind == EngineKind::Disk {
        findings.push(("file system", check_file_system(there)));
        findings.push(("space", check_space(there)));
        findings.push(("fsync", check_fsync(there)));
    }
    findings.push(("clock", check_clock(folder)));
    findings.push(("descriptors", check_descriptors(settings)));
    findings.push(("rights", check_rights(settings)));
    let mut bad = 0;
    for (name, finding) in findings {
        let (word, text) = match finding {
            Pass(text) => ("good", text),
            Warn(text) => ("LOOK", text),
            Fail(text) => {
                bad += 1;
                ("BAD", text)
            }
        };
        output::print(&format!("{word:<5} {name:<12} {text}\n"))?;
    }
    match bad {
        0 => Ok(()),
        1 => Err(CliError::failed("one thing is bad")),
        many => Err(CliError::failed(format!("{many} things are bad"))),
    }
}

fn check_settings(loaded: &Loaded) -> Finding {
    let file = match &loaded.file {
        Some(file) => format!("config file {}", file.display()),
        None => "no config file".into(),
    };
    let checked =
        ListenTargets::from_settings(&loaded.settings.http.listen).and_then(|addresses| {
            let credentials = Credentials::read(&loaded.settings)?;
            addresses.check_exposure(!credentials.is_open())
        });
    match checked {
        Ok(()) => match loaded.warnings().next() {
            Some(warning) => Warn(format!("{file}; {warning}")),
            None => Pass(file),
        },
        Err(failure) => Fail(failure.to_string()),
    }
}

fn check_server(settings: &Settings) -> Finding {
    let found = block_on(async {
        let Some(server) = ControlClient::find(&settings.data_dir).await? else {
            return Ok(None);
        };
        Ok(Some((server.status().await?, server.ready().await)))
    });
    match found {
        Ok(None) => Pass("none runs".into()),
        Ok(Some((status, Ok(_)))) => Pass(format!(
            "process {} takes writes, version {}",
            status.pid, status.version
        )),
        Ok(Some((status, Err(why)))) => Fail(format!("process {}: {why}", status.pid)),
        Err(failure) => Fail(failure.to_string()),
    }
}

fn check_folder(folder: &Path, settings: &Settings) -> Finding {
    let shown = folder.display();
    let found = match fs::metadata(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Pass(format!("{shown} is made at the first start"));
        }
        Err(error) => return Fail(format!("{shown} cannot be read: {error}")),
    };
    if !found.is_dir() {
        return Fail(format!("{shown} is no folder"));
    }
    let me = rustix::process::geteuid().as_raw();
    let stale = socket::control_path(&settings.data_dir);
    if found.uid() != me && me != 0 {
        return Fail(format!("{shown} is another user's ({})", found.uid()));
    }
    if settings.engine.kind == EngineKind::Disk
        && let Err(why) = offline::check_format(settings)
    {
        return Fail(why.to_string());
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Warn(format!(
            "{shown} can be read by others: chmod 700 keeps the data to its user"
        ));
    }
    match stale.exists() && !socket::is_listening(&stale) {
        true => Pass(format!(
            "{shown}; a server ended without a word, its socket is replaced by the next one"
        )),
        false => Pass(format!("{shown}")),
    }
}

fn check_file_system(folder: &Path) -> Finding {
    let found = match rustix::fs::statfs(folder) {
        Ok(found) => found,
        Err(error) => return Fail(format!("{} cannot be asked: {error}", folder.display())),
    };
    #[allow(
        clippy::useless_conversion,
        reason = "the type differs between machines"
    )]
    match i64::from(found.f_type) {
        TMPFS | RAMFS => Fail(
            "it is in memory: a restart of the machine loses everything; name a data_dir on a disk"
                .into(),
        ),
        NFS | CIFS => Warn("it is on another machine: locks and syncs may not hold".into()),
        OVERLAYFS => Warn("it is a container's own layer, and goes with the container".into()),
        _ => Pass("a local disk".into()),
    }
}

fn check_space(folder: &Path) -> Finding {
    match rustix::fs::statvfs(folder) {
        Err(error) => Fail(format!("{} cannot be asked: {error}", folder.display())),
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let text = format!("{} are free", ByteSize::b(free));
            if free < FULL_BYTES || disk.f_files > 0 && disk.f_favail == 0 {
                Fail(format!("{text}: no write is taken"))
            } else if free < LOW_BYTES {
                Warn(text)
            } else {
                Pass(text)
            }
        }
    }
}

/// Appends and syncs as the journal does, and tells how long that takes.
fn check_fsync(folder: &Path) -> Finding {
    let measured = (|| {
        let file = tempfile::NamedTempFile::new_in(folder)?;
        let mut taken = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let (synced, took) = clock::measure(|| sync(file.as_file()));
            synced?;
            taken.push(took);
        }
        taken.sort_unstable();
        io::Result::Ok((taken[SYNCS / 2], taken[SYNCS - 1]))
    })();
    match measured {
        Err(error) => Fail(format!("{} cannot be written: {error}", folder.display())),
        Ok((median, max)) => {
            let text = format!("{median:.1?} in the median of {SYNCS}, {max:.1?} at most");
            match median > SLOW_SYNC {
                true => Warn(format!("{text}: durable writes will be slow")),
                false => Pass(text),
            }
        }
    }
}

fn sync(mut file: &File) -> io::Result<()> {
    file.write_all(&SYNCED)?;
    file.sync_data()
}

fn check_clock(folder: &Path) -> Finding {
    let now = clock::now();
    if let Err(failure) = clock::check(now) {
        return Fail(failure.to_string());
    }
    let shown = humantime::format_rfc3339_seconds(now);
    if now < clock::from_millis(MIN_CLOCK_MS) {
        return Fail(format!(
            "{shown} is in the past: keys would not expire when they should"
        ));
    }
    let newest = fs::read_dir(folder.join("store"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok())
        .max();
    match newest.filter(|newest| *newest > now + Duration::from_secs(60)) {
        Some(newest) => Fail(format!(
            "{shown} is before {}, when the data was written: the clock was set back",
            humantime::format_rfc3339_seconds(newest)
        )),
        None => Pass(shown.to_string()),
    }
}

fn check_descriptors(settings: &Settings) -> Finding {
    let wanted = settings.limits.max_connections.get();
    let fitting = rlimit::connections(wanted);
    match fitting < wanted {
        true => Warn(format!(
            "the system allows {fitting} connections, not the {wanted} of limits.max_connections: raise ulimit -Hn or LimitNOFILE="
        )),
        false => Pass(format!("enough for {wanted} connections")),
    }
}

/// Files with secrets are for their user alone.
fn check_rights(settings: &Settings) -> Finding {
    let secret = [&settings.auth.tokens, &settings.tls.key];
    let open = secret.into_iter().find(|path| {
        let found = fs::metadata(path).ok();
        found.is_some_and(|found| found.permissions().mode() & 0o007 != 0)
    });
    match open {
        Some(path) => Warn(format!("{path} can be read by everybody: chmod 600")),
        None => Pass("no file with a secret is open to everybody".into()),
    }
}
