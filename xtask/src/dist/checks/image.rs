//! Is the container's image good: built and run for real, as `docs/install.md` says?
//!
//! Owns what must hold of the image and of its containers: who runs, what is refused, whether it is well, what stays.
//! The lines that build and run it are the page's own, so that each of them is tried.

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
/// What an image says of itself, and what it is to say.
const SAYS: &[(&str, &str)] = &[
    ("{{.Config.User}}", "65532:65532"),
    ("{{.Config.Entrypoint}}", "[/bin/akvs]"),
    ("{{.Config.Cmd}}", "[serve]"),
    ("{{.Config.ExposedPorts}}", "map[8080/tcp:{}]"),
    ("{{.Config.Volumes}}", "map[/data:{}]"),
    ("{{.Config.StopSignal}}", "SIGTERM"),
    ("{{.HealthCheck.Test}}", "[CMD /bin/akvs healthcheck]"),
];

/// Builds the image, and runs it as the page says.
pub(crate) fn check(release: &Release) -> Result {
    let Some(podman) = Podman::provide(&release.folder)? else {
        return Ok(());
    };
    let mut page = Page::read(&release.folder, "podman")?;
    podman.ask(&page.take("podman build ")?)?;
    image(&podman)?;
    refused(&podman)?;
    let token = podman.ask(&page.take("podman run --rm -v akvs:/data akvs token ")?)?;
    podman.ask(&page.take("podman run -d ")?)?;
    serve(&podman, token.trim())?;
    let status = podman.ask(&page.take("podman exec ")?)?;
    expect("the status", &status, |text| text.contains("ready"))?;
    stop(&podman, &page.take("podman stop ")?)?;
    again(&podman)?;
    open(&podman, &page.take("podman run --rm ")?)?;
    page.is_done()
}

/// What is in it, and what it says.
fn image(podman: &Podman) -> Result {
    for (what, wanted) in SAYS {
        let says = podman.ask(&format!("podman image inspect akvs --format {}", what))?;
        expect(what, &says, |says| says == *wanted)?;
    }
    let bytes = podman.ask("podman image inspect akvs --format {{.Size}}")?;
    println!("the image has {bytes} bytes; {} runs it", podman.runtime());
    let root = podman.ask("podman image mount akvs")?;
    let root = Path::new(&root);
    // A new volume takes after it.
    let data = fs::metadata(root.join("data")).map_err(|error| format!("/data: {error}"))?;
    if (data.uid(), data.gid()) != (USER, USER) || fs::read_dir(root.join("data"))?.count() > 0 {
        return Err("/data is not an empty folder of the server's user".into());
    }
    podman.ask("podman image unmount akvs").map(drop)
}

/// Without a setting no client is served, and a container without a server is not healthy.
fn refused(podman: &Podman) -> Result {
    let why = podman.refused("podman run --rm akvs", 78)?;
    expect("the refusal", &why, |why| {
        why.contains("akvs token new") && why.contains("--unauthenticated")
    })?;
    let why = podman.refused("podman run --rm akvs healthcheck", 1)?;
    expect("the health", &why, |why| {
        why.contains("no server is running")
    })
}

/// It is process 1, and well; it lets in who has the token.
fn serve(podman: &Podman, token: &str) -> Result {
    podman.wait_for("akvs", "listening on")?;
    podman.ask("podman healthcheck run akvs")?;
    let pid = podman.ask("podman exec akvs akvs pid")?;
    expect("the process", &pid, |pid| pid == "1")?;
    podman.ask("podman exec akvs akvs set foo bar baz")?;
    let get = "akvs akvs get --url http://127.0.0.1:8080 foo bar";
    let value = podman.ask(&format!("podman exec --env AKVS_TOKEN={token} {get}"))?;
    expect("the value", &value, |value| value == "baz")?;
    podman.refused(&format!("podman exec {get}"), 1).map(drop)
}

/// It ends in time by itself, also while a client watches.
fn stop(podman: &Podman, line: &str) -> Result {
    let mut watch = podman.command("podman exec akvs akvs watch foo --since 0 --values")?;
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let told = watch.stdout.take().ok_or("a watch that is not read")?;
    if !podman::has_line(told, "bar") {
        return Err("a watch does not tell what there is".into());
    }
    podman.ask(line)?;
    watch.wait()?;
    let code = podman.ask("podman container inspect akvs --format {{.State.ExitCode}}")?;
    expect("the exit code", &code, |code| code == "0")
}

/// Another container has the data of the volume.
fn again(podman: &Podman) -> Result {
    podman.ask("podman run -d --name second -v akvs:/data akvs")?;
    podman.wait_for("second", "listening on")?;
    let value = podman.ask("podman exec second akvs get foo bar")?;
    expect("the value", &value, |value| value == "baz")?;
    podman.ask("podman rm --force second").map(drop)
}

/// Every client is accepted if that is configured.
fn open(podman: &Podman, line: &str) -> Result {
    // In the background, and with a name.
    podman.ask(&line.replacen("--rm", "-d --name open", 1))?;
    podman.wait_for("open", "listening on")?;
    podman.ask("podman exec open akvs set --url http://127.0.0.1:8080 foo bar baz")?;
    podman.ask("podman rm --force open").map(drop)
}
