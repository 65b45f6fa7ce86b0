//! Is the Debian package good: installed, used, upgraded, removed and purged for real, in a small Debian of its own?
//!
//! Owns what must hold after each of these, and has lintian look at the package. systemd does not run there: that the
//! scripts ask it for the right things is seen with a stand-in, which writes down what it is asked.

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
const SYSTEMCTL: &str = "\
#!/bin/sh
echo \"$*\" >>/tmp/asked
case \"$*\" in *is-enabled*) echo enabled ;; esac
";
const WANTED: &str = "etc/systemd/system/multi-user.target.wants/akvs.service";
/// What a person has changed.
const OWN_PORT: &str = "sed -i 's/^# listen = .*/listen = [\"127.0.0.1:0\"]/' /etc/akvs/akvs.toml";

/// The package of a release, and a second one with a newer version.
struct Packages {
    first: PathBuf,
    second: PathBuf,
}

/// Installs it and the next, and takes them away again.
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
        return Err("the same release gives another Debian package each time".into());
    }
    deb::pack(release, &format!("{version}+newer"), &packages.second)?;
    if shell::provide(&LINTIAN) {
        let how = ["--no-cfg", "--allow-root", "--fail-on", "error,warning"];
        run(program("lintian", &how).arg(&packages.first))?;
    }
    let Some(root) = Root::provide(&release.place.target)? else {
        return Ok(());
    };
    let mut page = Page::read(&release.folder, "sudo")?;
    let before = root.list()?;
    install(&root, &packages.first, &mut page)?;
    page.is_done()?;
    upgrade(&root, &packages.second)?;
    remove(&root, &packages.second)?;
    purge(&root, &before)?;
    with_systemd(&root, &packages)?;
    purge(&root, &before)
}

/// Checks the user, folders, settings, and a server of that user that root alone reaches, as the page says.
fn install(root: &Root, package: &Path, page: &mut Page) -> Result {
    // apt would want lists of packages, to do the same.
    page.take("sudo apt install ./akvs_*_amd64.deb")?;
    give(root, "-i", package)?;
    as_it_should_be(root)?;
    // A second time does no harm.
    root.ask("root", "/var/lib/dpkg/info/akvs.postinst configure ''")?;
    as_it_should_be(root)?;

    root.ask("root", OWN_PORT)?;
    root.ask("akvs", "akvs start")?;
    root.ask("root", "akvs set foo bar baz")?;
    let status = as_root(root, &page.take("sudo akvs status")?)?;
    expect("the status", &status, |text| text.contains("ready"))?;
    as_root(root, &page.take("sudo akvs token new ")?)?;
    // Whoever made it, the server has to read it.
    let tokens = root.ask("akvs", "akvs token ls")?;
    expect("the tokens", &tokens, |text| text.contains("ops"))?;
    let refused = root.refused("nobody", "akvs status")?;
    expect("the refusal", &refused, |text| {
        text.contains("run this command as the user of the server")
    })
}

/// What an installation is to make.
fn as_it_should_be(root: &Root) -> Result {
    let user = root.ask("root", "getent passwd akvs; id -gn akvs")?;
    expect("the user", &user, |text| {
        text.ends_with(":/var/lib/akvs:/usr/sbin/nologin\nakvs")
    })?;
    let folder = root.ask("root", "stat -c '%U:%G %a' /var/lib/akvs")?;
    expect("the data folder", &folder, |text| text == "akvs:akvs 700")?;
    let settings = root.ask("root", "dpkg-query -W -f '${Conffiles}' akvs")?;
    expect("the conffiles", &settings, |text| {
        text.trim().starts_with("/etc/akvs/akvs.toml ") && text.trim().lines().count() == 1
    })?;
    let changed = root.ask("root", "dpkg --verify akvs")?;
    expect("what was changed", &changed, str::is_empty)
}

fn as_root(root: &Root, line: &str) -> Result<String> {
    root.ask("root", line.trim_start_matches("sudo "))
}

/// Neither data nor settings are touched, and the server goes on until it is restarted.
fn upgrade(root: &Root, package: &Path) -> Result {
    let settings = fs::read(root.path(deb::CONFIG))?;
    give(root, "-i", package)?;
    kept(root, &settings)?;
    foo(root)?;
    root.ask("akvs", "akvs restart")?;
    foo(root)
}

/// The server ends, the program goes; settings and data stay, and serve the next installation.
fn remove(root: &Root, package: &Path) -> Result {
    let settings = fs::read(root.path(deb::CONFIG))?;
    let pid = root.ask("root", "akvs pid")?;
    root.ask("root", "dpkg -r akvs")?;
    // One that ended, but whose end nobody has asked for, has no program any more.
    root.refused("root", &format!("readlink /proc/{pid}/exe"))?;
    root.refused("root", "command -v akvs || test -e /usr/bin/akvs")?;
    root.ask("root", "test -s /var/lib/akvs/akvs.format")?;
    kept(root, &settings)?;
    give(root, "-i", package)?;
    root.ask("akvs", "akvs start")?;
    foo(root)?;
    root.ask("root", "touch /etc/akvs/key.pem").map(drop)
}

/// Nothing is left.
fn purge(root: &Root, before: &str) -> Result {
    root.ask("root", "dpkg -P akvs")?;
    let after = root.list()?;
    let new: Vec<&str> = after
        .lines()
        .filter(|line| !before.contains(line))
        .collect();
    let gone: Vec<&str> = before
        .lines()
        .filter(|line| !after.contains(line))
        .collect();
    match new.is_empty() && gone.is_empty() {
        true => Ok(()),
        false => Err(format!("a purge leaves {new:?} and takes {gone:?} along").into()),
    }
}

/// What the scripts ask of systemd, where it runs.
fn with_systemd(root: &Root, packages: &Packages) -> Result {
    let systemctl = root.path("usr/local/bin/systemctl");
    fs::write(&systemctl, SYSTEMCTL)?;
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755))?;
    root.ask("root", "mkdir -p /run/systemd/system")?;
    let asked = |what: &str, wanted: &[&str]| -> Result {
        let path = root.path("tmp/asked");
        let told = fs::read_to_string(&path)?;
        // What is only asked how it is, and what deb-systemd-helper wants for itself.
        let told = told
            .lines()
            .filter(|line| !line.contains(" is-") && *line != "daemon-reload");
        let told: Vec<&str> = told.collect();
        fs::remove_file(&path)?;
        expect(what, &told.join("; "), |_| told == wanted)
    };
    give(root, "-i", &packages.first)?;
    let start = [
        "--system daemon-reload",
        "--quiet --system start akvs.service",
    ];
    asked("of systemd, at first", &start)?;
    let link = fs::read_link(root.path(WANTED))?.display().to_string();
    expect("the unit", &link, |text| text.ends_with("/akvs.service"))?;

    // As `systemctl enable akvs.socket` does.
    let enable = "mkdir /etc/systemd/system/sockets.target.wants && ln -s /usr/lib/systemd/system/akvs.socket \
                  /etc/systemd/system/sockets.target.wants/akvs.socket";
    root.ask("root", enable)?;
    let restart = ["--system daemon-reload", "try-restart akvs.service"];
    give(root, "-i", &packages.second)?;
    asked("of systemd, at an upgrade", &restart)?;
    // As `systemctl disable akvs` does.
    fs::remove_file(root.path(WANTED))?;
    give(root, "-i", &packages.second)?;
    asked("of systemd, where it is switched off", &restart)?;
    root.refused("root", &format!("test -L /{WANTED}"))?;

    root.ask("root", "dpkg -r akvs")?;
    let stop = ["stop akvs.socket akvs.service", "--system daemon-reload"];
    asked("of systemd, at a removal", &stop)?;
    root.ask(
        "root",
        "dpkg -P akvs; rm -r /run/systemd /usr/local/bin/systemctl",
    )
    .map(drop)
}

/// Has dpkg do something with a package.
fn give(root: &Root, what: &str, package: &Path) -> Result {
    fs::copy(package, root.path("tmp/akvs.deb"))?;
    root.ask("root", &format!("dpkg {what} /tmp/akvs.deb"))
        .map(drop)
}

/// What was written is there.
fn foo(root: &Root) -> Result {
    let value = root.ask("root", "akvs get foo bar")?;
    expect("the value", &value, |text| text == "baz")
}

/// The settings are as a person left them.
fn kept(root: &Root, settings: &[u8]) -> Result {
    match fs::read(root.path(deb::CONFIG))? == settings {
        true => Ok(()),
        false => Err("the changed settings were not kept".into()),
    }
}
