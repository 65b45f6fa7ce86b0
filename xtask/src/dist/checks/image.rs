//! The check of the container image: built and run by the commands of `docs/install.md`.
//!
//! It owns what must hold for the image and its containers: user, refused starts, health, exit code, data.

mod podman;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use self::podman::Podman;
use super::expect;
use super::page::Page;
use crate::dist::Release;
use crate::shell::Result;

/// The user that the image runs the server as.
const USER: u32 = 65_532;
/// Fields of the image's configuration, and their expected values.
const FIELDS: &[(&str, &str)] = &[
    ("{{.Config.User}}", "65532:65532"),
    ("{{.Config.Entrypoint}}", "[/bin/akvs]"),
    ("{{.Config.Cmd}}", "[serve]"),
    ("{{.Config.ExposedPorts}}", "map[8080/tcp:{}]"),
    ("{{.Config.Volumes}}", "map[/data:{}]"),
    ("{{.Config.StopSignal}}", "SIGTERM"),
    ("{{.HealthCheck.Test}}", "[CMD /bin/akvs healthcheck]"),
];

/// Builds the image and runs it.
pub(crate) fn check(release: &Release) -> Result {
    let Some(podman) = Podman::provide(&release.folder)? else {
        return Ok(());
    };
    let mut page = Page::read(&release.folder, "podman")?;
    podman.run(&page.take("podman build ")?)?;
    check_image(&podman)?;
    check_refused_starts(&podman)?;
    let token = podman.run(&page.take("podman run --rm -v akvs:/data akvs token ")?)?;
    podman.run(&page.take("podman run -d ")?)?;
    check_server(&podman, token.trim())?;
    let status = podman.run(&page.take("podman exec ")?)?;
    expect("the status", &status, |text| text.contains("ready"))?;
    check_stop(&podman, &page.take("podman stop ")?)?;
    check_volume(&podman)?;
    check_unauthenticated(&podman, &page.take("podman run --rm ")?)?;
    page.finish()
}

/// Checks the configuration of the image, and its data directory.
fn check_image(podman: &Podman) -> Result {
    for (field, expected) in FIELDS {
        let value = podman.run(&format!("podman image inspect akvs --format {field}"))?;
        expect(field, &value, |value| value == *expected)?;
    }
    let bytes = podman.run("podman image inspect akvs --format {{.Size}}")?;
    println!("the image has {bytes} bytes; {} runs it", podman.runtime());
    let root = podman.run("podman image mount akvs")?;
    let root = Path::new(&root);
    // A new volume gets owner and content of this directory.
    let data = fs::metadata(root.join("data")).map_err(|error| format!("/data: {error}"))?;
    if (data.uid(), data.gid()) != (USER, USER) || fs::read_dir(root.join("data"))?.count() > 0 {
        return Err("/data is not an empty directory of the server's user".into());
    }
    podman.run("podman image unmount akvs").map(drop)
}

/// Checks that a server without access control does not start, and that a container without a server is unhealthy.
fn check_refused_starts(podman: &Podman) -> Result {
    let error = podman.run_failing("podman run --rm akvs", 78)?;
    expect("the error", &error, |error| {
        error.contains("akvs token new") && error.contains("--unauthenticated")
    })?;
    let error = podman.run_failing("podman run --rm akvs healthcheck", 1)?;
    expect("the health", &error, |error| {
        error.contains("no server is running")
    })
}

/// Checks that the server is process 1, healthy, and accepts only requests with a token.
fn check_server(podman: &Podman, token: &str) -> Result {
    podman.wait_for("akvs", "listening on")?;
    podman.run("podman healthcheck run akvs")?;
    let pid = podman.run("podman exec akvs akvs pid")?;
    expect("the process", &pid, |pid| pid == "1")?;
    podman.run("podman exec akvs akvs set foo bar baz")?;
    let get = "akvs akvs get --url http://127.0.0.1:8080 foo bar";
    let value = podman.run(&format!("podman exec --env AKVS_TOKEN={token} {get}"))?;
    expect("the value", &value, |value| value == "baz")?;
    podman
        .run_failing(&format!("podman exec {get}"), 1)
        .map(drop)
}

/// Checks that the server stops without being killed, also while a client watches.
fn check_stop(podman: &Podman, line: &str) -> Result {
    let mut watch = podman.command("podman exec akvs akvs watch foo --since 0 --values")?;
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let events = watch.stdout.take().ok_or("the watch has no stdout")?;
    if !podman::has_line(events, "bar") {
        return Err("the watch does not print the key".into());
    }
    podman.run(line)?;
    watch.wait()?;
    let code = podman.run("podman container inspect akvs --format {{.State.ExitCode}}")?;
    expect("the exit code", &code, |code| code == "0")
}

/// Checks that another container has the data of the volume.
fn check_volume(podman: &Podman) -> Result {
    podman.run("podman run -d --name second -v akvs:/data akvs")?;
    podman.wait_for("second", "listening on")?;
    let value = podman.run("podman exec second akvs get foo bar")?;
    expect("the value", &value, |value| value == "baz")?;
    podman.run("podman rm --force second").map(drop)
}

/// Checks that every client is accepted if that is configured.
fn check_unauthenticated(podman: &Podman, line: &str) -> Result {
    // In the background, and with a name.
    podman.run(&line.replacen("--rm", "-d --name open", 1))?;
    podman.wait_for("open", "listening on")?;
    podman.run("podman exec open akvs set --url http://127.0.0.1:8080 foo bar baz")?;
    podman.run("podman rm --force open").map(drop)
}
