//! `akvs doctor`: checks of the machine and the settings, one line each.
//!
//! It changes nothing, except that it writes, syncs and removes a file of a few KiB in the data directory. It does not
//! read the data; `akvs verify` does.

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
use crate::plural::plural;
use crate::settings::{EngineKind, Loaded, Settings};
use crate::{clock, rlimit, socket};

/// Number of syncs that are measured, and the block that each writes.
const SYNCS: usize = 50;
const SYNCED: [u8; 4_096] = [0x5a; 4_096];
/// Median time of a sync above which durable writes are slow.
const SLOW_SYNC: Duration = Duration::from_millis(20);
/// Free space below which the server refuses writes, and below which it runs out soon.
const FULL_BYTES: u64 = 64 << 20;
const LOW_BYTES: u64 = 1 << 30;
/// File systems that lose all data at a restart, or whose syncs and locks may not be reliable.
const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6_u32 as i64;
const NFS: i64 = 0x6969;
const CIFS: i64 = 0xff53_4d42_u32 as i64;
const OVERLAYFS: i64 = 0x794c_7630;
/// 2026-01-01: an earlier clock was never set.
const MIN_CLOCK_MS: u64 = 1_767_225_600_000;

/// The result of one check.
enum Finding {
    Pass(String),
    /// It works, but not well or not for long.
    Warn(String),
    Fail(String),
}

use Finding::{Fail, Pass, Warn};

pub(crate) fn run(flags: &DataDirArgs) -> Result<(), CliError> {
    let loaded = flags.load()?;
    let settings = &loaded.settings;
    let mut findings = vec![("settings", check_settings(&loaded))];
    let folder = Path::new(&settings.data_dir);
    // A missing data directory is created at the first start: its nearest parent is checked.
    let there = folder.ancestors().find(|above| above.is_dir());
    let there = there.unwrap_or(Path::new("/"));
    findings.push(("server", check_server(settings)));
    findings.push(("data directory", check_folder(folder, settings)));
    if settings.engine.kind == EngineKind::Disk {
        findings.push(("file system", check_file_system(there)));
        findings.push(("space", check_space(there)));
        findings.push(("fsync", check_fsync(there)));
    }
    findings.push(("clock", check_clock(folder)));
    findings.push(("descriptors", check_descriptors(settings)));
    findings.push(("permissions", check_permissions(settings)));
    let mut failed = 0;
    for (name, finding) in findings {
        let (word, text) = match finding {
            Pass(text) => ("ok", text),
            Warn(text) => ("warn", text),
            Fail(text) => {
                failed += 1;
                ("fail", text)
            }
        };
        output::print(&format!("{word:<5} {name:<14} {text}\n"))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(CliError::failed(format!(
            "{} failed",
            plural(failed, "check")
        ))),
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
        Ok(None) => Pass("not running".into()),
        Ok(Some((status, Ok(_)))) => Pass(format!(
            "process {} accepts writes, version {}",
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
            return Pass(format!("{shown} is created at the first start"));
        }
        Err(error) => return Fail(format!("cannot read {shown}: {error}")),
    };
    if !found.is_dir() {
        return Fail(format!("{shown} is not a directory"));
    }
    let me = rustix::process::geteuid().as_raw();
    let stale = socket::control_path(&settings.data_dir);
    if found.uid() != me && me != 0 {
        return Fail(format!(
            "{shown} belongs to another user ({}); run this command as that user",
            found.uid()
        ));
    }
    if settings.engine.kind == EngineKind::Disk
        && let Err(why) = offline::check_format(settings)
    {
        return Fail(why.to_string());
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Warn(format!("other users can read {shown}; run chmod 700"));
    }
    if stale.exists() && !socket::is_listening(&stale) {
        Pass(format!(
            "{shown}; a server was killed, the next one replaces its socket"
        ))
    } else {
        Pass(format!("{shown}"))
    }
}

fn check_file_system(folder: &Path) -> Finding {
    let found = match rustix::fs::statfs(folder) {
        Ok(found) => found,
        Err(error) => return Fail(format!("cannot check {}: {error}", folder.display())),
    };
    #[allow(
        clippy::useless_conversion,
        reason = "the type differs between machines"
    )]
    match i64::from(found.f_type) {
        TMPFS | RAMFS => Fail(
            "in memory: a restart of the machine loses all data; set data_dir to a disk".into(),
        ),
        NFS | CIFS => Warn("network file system: locks and syncs may not be reliable".into()),
        OVERLAYFS => Warn(
            "the container's own layer: the data is lost with the container; use a volume".into(),
        ),
        _ => Pass("local disk".into()),
    }
}

fn check_space(folder: &Path) -> Finding {
    match rustix::fs::statvfs(folder) {
        Err(error) => Fail(format!("cannot check {}: {error}", folder.display())),
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let text = format!("{} free", ByteSize::b(free));
            if free < FULL_BYTES || disk.f_files > 0 && disk.f_favail == 0 {
                Fail(format!("{text}: the server refuses writes"))
            } else if free < LOW_BYTES {
                Warn(text)
            } else {
                Pass(text)
            }
        }
    }
}

/// Appends and syncs as the journal does, and measures the time.
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
        Err(error) => Fail(format!("cannot write to {}: {error}", folder.display())),
        Ok((median, max)) => {
            let text = format!("median of {SYNCS} syncs {median:.1?}, maximum {max:.1?}");
            if median > SLOW_SYNC {
                Warn(format!("{text}: durable writes are slow"))
            } else {
                Pass(text)
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
            "{shown} is in the past: keys would expire at wrong times; set the clock"
        ));
    }
    let newest = fs::read_dir(folder.join("store"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok())
        .max();
    match newest.filter(|newest| *newest > now + Duration::from_secs(60)) {
        Some(newest) => Fail(format!(
            "{shown} is before {}, when the data was last written: the clock was set back",
            humantime::format_rfc3339_seconds(newest)
        )),
        None => Pass(shown.to_string()),
    }
}

fn check_descriptors(settings: &Settings) -> Finding {
    let wanted = settings.limits.max_connections.get();
    let fitting = rlimit::connections(wanted);
    if fitting < wanted {
        Warn(format!(
            "the system allows {fitting} of {wanted} connections (limits.max_connections); raise ulimit -Hn or LimitNOFILE="
        ))
    } else {
        Pass(format!("enough for {wanted} connections"))
    }
}

/// Checks that other users cannot read files with secrets.
fn check_permissions(settings: &Settings) -> Finding {
    let secret = [&settings.auth.tokens, &settings.tls.key];
    let open = secret.into_iter().find(|path| {
        let found = fs::metadata(path).ok();
        found.is_some_and(|found| found.permissions().mode() & 0o007 != 0)
    });
    match open {
        Some(path) => Warn(format!("all users can read {path}; run chmod 600")),
        None => Pass("no file with secrets is readable by all users".into()),
    }
}
