//! `akvs config`, and settings that only the whole program applies.

use std::fs;

use crate::common::{akvs, program, run};

#[test]
fn show_prints_each_key_with_value_and_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    fs::write(&file, "[limits]\nmax_value_bytes = \"1MiB\"\n").unwrap();
    let ran = run(akvs()
        .args([
            "config",
            "show",
            "--listen",
            "127.0.0.1:1",
            "--listen",
            "[::1]:2",
            "--config",
        ])
        .arg(&file)
        .env("AKVS_ENGINE__KIND", "memory"));
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
    let line = |key: &str| {
        let line = ran
            .stdout
            .lines()
            .find(|line| line.starts_with(&format!("{key} = ")));
        let (value, origin) = line.unwrap().split_once("  # ").unwrap();
        (
            value[key.len() + 3..].trim_end().to_owned(),
            origin.to_owned(),
        )
    };
    let of = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(
        line("http.listen"),
        of(r#"["127.0.0.1:1","[::1]:2"]"#, "flag --listen")
    );
    assert_eq!(
        line("engine.kind"),
        of(r#""memory""#, "environment variable AKVS_ENGINE__KIND")
    );
    let config = format!("config file {}", file.display());
    assert_eq!(line("limits.max_value_bytes"), of(r#""1MiB""#, &config));
    assert_eq!(line("engine.cache_bytes"), of(r#""256MiB""#, "default"));
    assert_eq!(ran.stdout.lines().count(), 25);
}

#[test]
fn the_output_of_show_is_an_equivalent_config_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shown.toml");
    let first = run(akvs().args([
        "config",
        "show",
        "--data-dir",
        "/a \"b\"\\c",
        "--log",
        "warn,akvs=debug",
    ]));
    fs::write(&file, &first.stdout).unwrap();
    let again = run(akvs().args(["config", "show", "--config"]).arg(&file));
    let values = |text: &str| -> Vec<String> {
        let value = |line: &str| line.split("  # ").next().unwrap().trim_end().to_owned();
        text.lines().map(value).collect()
    };
    assert_eq!(values(&again.stdout), values(&first.stdout), "{again:?}");
}

#[test]
fn check_prints_one_line() {
    let good = run(akvs().args(["config", "check"]));
    assert_eq!(
        (good.code, good.stdout.lines().count()),
        (Some(0), 1),
        "{good:?}"
    );
    assert!(
        good.stdout.starts_with("the settings are valid"),
        "{good:?}"
    );
    run(akvs().args(["config", "check", "--listen", "0.0.0.0:8080"]))
        .assert_refused(78, &["0.0.0.0:8080", "--unauthenticated"]);
    let open = run(akvs().args([
        "config",
        "check",
        "--listen",
        "0.0.0.0:8080",
        "--unauthenticated",
    ]));
    assert_eq!(open.code, Some(0));
}

#[test]
fn every_verb_refuses_invalid_settings_with_code_78() {
    for verb in [
        &["serve"][..],
        &["foreground"],
        &[],
        &["config", "show"],
        &["config", "check"],
    ] {
        for (name, value, parts) in [
            (
                "AKVS_ENGINE__KND",
                "disk",
                [
                    "engine.knd",
                    "environment variable AKVS_ENGINE__KND",
                    "AKVS_ENGINE__KIND",
                ],
            ),
            (
                "AKVS_ENGINE__KIND",
                "dsk",
                [
                    "engine.kind",
                    "\"dsk\"",
                    "environment variable AKVS_ENGINE__KIND",
                ],
            ),
            (
                "AKVS_LOG",
                "loud=very",
                [
                    "log.filter",
                    "\"loud=very\"",
                    "environment variable AKVS_LOG",
                ],
            ),
            (
                "AKVS_CONFIG",
                "/nowhere/a.toml",
                ["config file", "/nowhere/a.toml", "No such file"],
            ),
        ] {
            run(akvs().args(verb).env(name, value)).assert_refused(78, &parts);
        }
    }
}

#[test]
fn an_invalid_flag_is_named() {
    for (flag, value, parts) in [
        (
            "--listen",
            "localhost",
            ["flag --listen", "http.listen", "\"localhost\""],
        ),
        ("--log", "inof", ["flag --log", "log.filter", "\"inof\""]),
        (
            "--config",
            "/nowhere/a.toml",
            ["/nowhere/a.toml", "cannot read", "No such file"],
        ),
    ] {
        run(akvs().args([flag, value])).assert_refused(78, &parts);
    }
}

#[test]
fn an_invalid_config_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    let path = file.to_str().unwrap();
    for (text, parts) in [
        (
            "[limits]\nmax_value_byte = 5\n",
            [path, "limits.max_value_byte ", "limits.max_value_bytes"],
        ),
        (
            "[limits]\nmax_value_bytes = 0\n",
            [path, "limits.max_value_bytes 0", "expected 1 to 1GiB"],
        ),
        ("[limits\n", [path, "invalid config file", "line 1"]),
    ] {
        fs::write(&file, text).unwrap();
        run(akvs().args(["serve", "--config", path])).assert_refused(78, &parts);
    }
    fs::write(&file, [0xff, 0xfe]).unwrap();
    run(akvs().args(["serve", "--config", path])).assert_refused(78, &[path, "UTF-8"]);
    run(akvs().args(["serve", "--config"]).arg(folder.path())).assert_refused(78, &["cannot read"]);
}

#[test]
fn usage_errors_exit_with_2() {
    for arguments in [
        &["--engine", "tape"][..],
        &["--no-such-flag"],
        &["no-such-verb"],
        &["config"],
    ] {
        let ran = run(akvs().args(arguments));
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
}

#[test]
fn help_and_version_are_on_stdout() {
    for (arguments, part) in [
        (["serve", "--help"], "AKVS_HTTP__LISTEN"),
        (["--version", ""], "akvs "),
    ] {
        let ran = run(akvs().args(arguments.iter().filter(|argument| !argument.is_empty())));
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
        assert!(ran.stdout.contains(part), "{}", ran.stdout);
    }
}

#[test]
fn a_release_has_its_config_and_data_next_to_its_bin() {
    let folder = tempfile::tempdir().unwrap();
    // The program resolves the links of the temporary directory.
    let release = folder.path().canonicalize().unwrap();
    fs::create_dir(release.join("bin")).unwrap();
    fs::create_dir(release.join("config")).unwrap();
    fs::write(
        release.join("config/akvs.toml"),
        "[limits]\nmax_connections = 7\n",
    )
    .unwrap();
    let binary = release.join("bin/akvs");
    fs::copy(env!("CARGO_BIN_EXE_akvs"), &binary).unwrap();
    let ran = run(program(&binary).args(["config", "show"]).current_dir("/"));
    let data = format!("data_dir = \"{}\"", release.join("data").display());
    let config = format!(
        "# config file {}",
        release.join("config/akvs.toml").display()
    );
    assert!(
        ran.stdout.contains(&data) && ran.stdout.contains(&config),
        "{ran:?}"
    );
}

/// Cargo passes the variables of the build script to the programs that it runs: by `cargo run`, and to this test.
#[test]
fn variables_of_the_build_are_no_settings() {
    let build = include_str!("../../build.rs");
    let variables = std::env::vars().filter(|(name, _)| build.contains(name.as_str()));
    let ran = run(akvs().args(["config", "check"]).envs(variables));
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
}
