//! The check of the Debian package: installed, used, upgraded, removed and purged in a minimal Debian.
//!
//! It owns what must hold after each step, and runs lintian. systemd does not run there; a stand-in for systemctl
//! records the calls of the maintainer scripts.

mod root;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use self::root::Root;
use super::expect;
use super::page::Page;
use crate::dist::{Release, deb};
use crate::shell::{self, Result, Tool, program, run};

const LINTIAN: Tool = Tool {
    name: "lintian",
    without: "the Debian package will not be checked by lintian",
};
/// The stand-in for systemctl.
const SYSTEMCTL: &str = "\
#!/bin/sh
echo \"$*\" >>/tmp/calls
case \"$*\" in *is-enabled*) echo enabled ;; esac
";
/// The link that enables the service.
const ENABLED: &str = "etc/systemd/system/multi-user.target.wants/akvs.service";
/// A change of the settings by an administrator.
const CHANGE_PORT: &str =
    "sed -i 's/^# listen = .*/listen = [\"127.0.0.1:0\"]/' /etc/akvs/akvs.toml";

/// The package of a release, and one of a newer version.
struct Packages {
    first: PathBuf,
    second: PathBuf,
}

/// Checks the package of a release.
pub(crate) fn check(release: &Release) -> Result {
    let first = deb::path(release);
    if !first.is_file() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let packages = Packages {
        second: folder.path().join("second.deb"),
        first,
    };
    let version = deb::version(&release.version);
    deb::pack(release, &version, &packages.second)?;
    if fs::read(&packages.first)? != fs::read(&packages.second)? {
        return Err("the Debian package is not reproducible".into());
    }
    deb::pack(release, &format!("{version}+newer"), &packages.second)?;
    if shell::provide(&LINTIAN) {
        let arguments = ["--no-cfg", "--allow-root", "--fail-on", "error,warning"];
        run(program("lintian", &arguments).arg(&packages.first))?;
    }
    let Some(root) = Root::provide(&release.paths.target)? else {
        return Ok(());
    };
    let mut page = Page::read(&release.folder, "sudo")?;
    let before = root.list()?;
    install(&root, &packages.first, &mut page)?;
    page.finish()?;
    upgrade(&root, &packages.second)?;
    remove(&root, &packages.second)?;
    purge(&root, &before)?;
    with_systemd(&root, &packages)?;
    purge(&root, &before)
}

/// Checks the user, the directories, the settings, and a server of that user that only root can control.
fn install(root: &Root, package: &Path, page: &mut Page) -> Result {
    // apt needs package lists; dpkg does the same without.
    page.take("sudo apt install ./akvs_*_amd64.deb")?;
    dpkg(root, "-i", package)?;
    check_installed(root)?;
    // The script is idempotent.
    root.run("root", "/var/lib/dpkg/info/akvs.postinst configure ''")?;
    check_installed(root)?;

    root.run("root", CHANGE_PORT)?;
    root.run("akvs", "akvs start")?;
    root.run("root", "akvs set foo bar baz")?;
    let status = as_root(root, &page.take("sudo akvs status")?)?;
    expect("the status", &status, |text| text.contains("ready"))?;
    as_root(root, &page.take("sudo akvs token new ")?)?;
    // The server must be able to read a file that root created.
    let tokens = root.run("akvs", "akvs token ls")?;
    expect("the tokens", &tokens, |text| text.contains("ops"))?;
    let error = root.run_failing("daemon", "akvs status")?;
    expect("the error", &error, |text| {
        text.contains("run this command as the user of the server")
    })
}

/// Checks what an installation creates.
fn check_installed(root: &Root) -> Result {
    let user = root.run("root", "getent passwd akvs; id -gn akvs")?;
    expect("the user", &user, |text| {
        text.ends_with(":/var/lib/akvs:/usr/sbin/nologin\nakvs")
    })?;
    let folder = root.run("root", "stat -c '%U:%G %a' /var/lib/akvs")?;
    expect("the data directory", &folder, |text| {
        text == "akvs:akvs 700"
    })?;
    let settings = root.run("root", "dpkg-query -W -f '${Conffiles}' akvs")?;
    expect("the conffiles", &settings, |text| {
        text.trim().starts_with("/etc/akvs/akvs.toml ") && text.trim().lines().count() == 1
    })?;
    let changed = root.run("root", "dpkg --verify akvs")?;
    expect("the changed files", &changed, str::is_empty)
}

fn as_root(root: &Root, line: &str) -> Result<String> {
    root.run("root", line.trim_start_matches("sudo "))
}

/// Checks that data and settings are unchanged, and that the server runs until it is restarted.
fn upgrade(root: &Root, package: &Path) -> Result {
    let settings = fs::read(root.path(deb::CONFIG))?;
    dpkg(root, "-i", package)?;
    check_settings(root, &settings)?;
    check_value(root)?;
    root.run("akvs", "akvs restart")?;
    check_value(root)
}

/// Checks that the server is stopped and the program removed, and that the next installation finds settings and data.
fn remove(root: &Root, package: &Path) -> Result {
    let settings = fs::read(root.path(deb::CONFIG))?;
    let pid = root.run("root", "akvs pid")?;
    root.run("root", "dpkg -r akvs")?;
    // A zombie has no program either.
    root.run_failing("root", &format!("readlink /proc/{pid}/exe"))?;
    root.run_failing("root", "command -v akvs || test -e /usr/bin/akvs")?;
    root.run("root", "test -s /var/lib/akvs/akvs.format")?;
    check_settings(root, &settings)?;
    dpkg(root, "-i", package)?;
    root.run("akvs", "akvs start")?;
    check_value(root)?;
    root.run("root", "touch /etc/akvs/key.pem").map(drop)
}

/// Checks that nothing of the package is left.
fn purge(root: &Root, before: &str) -> Result {
    root.run("root", "dpkg -P akvs")?;
    let after = root.list()?;
    let left: Vec<&str> = after
        .lines()
        .filter(|line| !before.contains(line))
        .collect();
    let missing: Vec<&str> = before
        .lines()
        .filter(|line| !after.contains(line))
        .collect();
    match left.is_empty() && missing.is_empty() {
        true => Ok(()),
        false => Err(format!("a purge leaves {left:?} and removes {missing:?}").into()),
    }
}

/// Checks the systemctl calls of the maintainer scripts.
fn with_systemd(root: &Root, packages: &Packages) -> Result {
    let systemctl = root.path("usr/local/bin/systemctl");
    fs::write(&systemctl, SYSTEMCTL)?;
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755))?;
    root.run("root", "mkdir -p /run/systemd/system")?;
    let check_calls = |name: &str, expected: &[&str]| -> Result {
        let path = root.path("tmp/calls");
        let calls = fs::read_to_string(&path)?;
        // Without queries, and without the reload that deb-systemd-helper adds.
        let calls = calls
            .lines()
            .filter(|line| !line.contains(" is-") && *line != "daemon-reload");
        let calls: Vec<&str> = calls.collect();
        fs::remove_file(&path)?;
        expect(name, &calls.join("; "), |_| calls == expected)
    };
    dpkg(root, "-i", &packages.first)?;
    let start = [
        "--system daemon-reload",
        "--quiet --system start akvs.service",
    ];
    check_calls("the calls of the installation", &start)?;
    let link = fs::read_link(root.path(ENABLED))?.display().to_string();
    expect("the unit", &link, |text| text.ends_with("/akvs.service"))?;

    // As `systemctl enable akvs.socket` does.
    let enable = "mkdir /etc/systemd/system/sockets.target.wants && ln -s /usr/lib/systemd/system/akvs.socket \
                  /etc/systemd/system/sockets.target.wants/akvs.socket";
    root.run("root", enable)?;
    let restart = ["--system daemon-reload", "try-restart akvs.service"];
    dpkg(root, "-i", &packages.second)?;
    check_calls("the calls of an upgrade", &restart)?;
    // As `systemctl disable akvs` does.
    fs::remove_file(root.path(ENABLED))?;
    dpkg(root, "-i", &packages.second)?;
    check_calls("the calls of an upgrade of a disabled service", &restart)?;
    root.run_failing("root", &format!("test -L /{ENABLED}"))?;

    root.run("root", "dpkg -r akvs")?;
    let stop = ["stop akvs.socket akvs.service", "--system daemon-reload"];
    check_calls("the calls of a removal", &stop)?;
    root.run(
        "root",
        "dpkg -P akvs; rm -r /run/systemd /usr/local/bin/systemctl",
    )
    .map(drop)
}

/// Runs dpkg on a package.
fn dpkg(root: &Root, action: &str, package: &Path) -> Result {
    fs::copy(package, root.path("tmp/akvs.deb"))?;
    root.run("root", &format!("dpkg {action} /tmp/akvs.deb"))
        .map(drop)
}

/// Checks that the server has the value.
fn check_value(root: &Root) -> Result {
    let value = root.run("root", "akvs get foo bar")?;
    expect("the value", &value, |text| text == "baz")
}

/// Checks that the settings are as the administrator changed them.
fn check_settings(root: &Root, settings: &[u8]) -> Result {
    match fs::read(root.path(deb::CONFIG))? == settings {
        true => Ok(()),
        false => Err("the changed settings were not kept".into()),
    }
}
