//! The settings of a namespace: `ns set` changes the named ones, `ns ls` shows those that are set.

use crate::common::json;
use crate::key_verbs::Verbs;

#[test]
fn ns_set_changes_only_the_named_settings() {
    let verbs = Verbs::new();
    let set = |more: &[&str]| verbs.text(&[&["ns", "set", "shop"], more].concat());
    let listed = || verbs.text(&["ns", "ls"]);
    assert_eq!(
        set(&["--max-bytes", "10MiB", "--ttl", "1h30m"]),
        "OK, created\n"
    );
    assert_eq!(listed(), "shop  0 keys, 0 bytes  ttl=90m max_bytes=10MiB\n");
    let changed = set(&["--max-keys", "5", "--max-value-bytes", "1.5KiB"]);
    assert_eq!(changed, "OK, settings changed\n");
    assert_eq!(
        listed(),
        "shop  0 keys, 0 bytes  ttl=90m max_value_bytes=1536 max_keys=5 max_bytes=10MiB\n"
    );
    set(&["--ttl", "none", "--max-bytes", "none"]);
    assert_eq!(set(&[]), "OK, already exists\n");
    verbs.text(&["set", "shop", "cart", "three"]);
    assert_eq!(
        verbs.text(&["ns", "ls"]),
        "shop  1 key, 9 bytes  max_value_bytes=1536 max_keys=5\n"
    );
    let listed = json(&verbs.text(&["ns", "ls", "--json"]));
    let expected = r#"{"ttl":null,"max_value_bytes":1536,"max_keys":5,"max_bytes":null}"#;
    assert_eq!(listed["settings"], json(expected));
}

#[test]
fn an_invalid_setting_is_refused_and_changes_nothing() {
    let verbs = Verbs::new();
    for (flag, value) in [
        ("--max-bytes", "10 apples"),
        ("--max-bytes", "-1"),
        ("--max-value-bytes", "None"),
        ("--max-keys", "1k"),
        ("--ttl", "0s"),
        ("--ttl", "soon"),
    ] {
        let flag = format!("{flag}={value}");
        verbs.refused_usage(&["ns", "set", "shop", &flag]);
    }
    let years = ["ns", "set", "shop", "--ttl", "3000000d"];
    verbs.refused(1, &years, &["ttl"]);
    let large = ["ns", "set", "shop", "--max-value-bytes", "2GiB"];
    verbs.refused(1, &large, &["limits.max_value_bytes"]);
    assert_eq!(verbs.text(&["ns", "ls"]), "");
}
