//! Suggestions for unknown verbs: the same verb of another program, or a verb that differs in a letter or two.

/// Verbs of other programs, and the verbs that do the same here; the first that exists is used.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("append", &["set"]),
    ("cas", &["set"]),
    ("cat", &["get"]),
    ("check", &["doctor"]),
    ("cli", &["attach"]),
    ("connect", &["attach"]),
    ("count", &["ns"]),
    ("create", &["set"]),
    ("databases", &["ns"]),
    ("dbs", &["ns"]),
    ("decr", &["add"]),
    ("dir", &["ls"]),
    ("drop", &["ns"]),
    ("dump", &["export"]),
    ("exist", &["get"]),
    ("exists", &["get"]),
    ("expire", &["touch"]),
    ("fetch", &["get"]),
    ("find", &["ls"]),
    ("flushall", &["ns"]),
    ("inc", &["add"]),
    ("increment", &["add"]),
    ("info", &["status", "stats"]),
    ("init", &["start"]),
    ("insert", &["set"]),
    ("kill", &["stop"]),
    ("listen", &["serve", "watch"]),
    ("load", &["import"]),
    ("login", &["token"]),
    ("monitor", &["watch"]),
    ("multi", &["txn"]),
    ("namespace", &["ns"]),
    ("namespaces", &["ns"]),
    ("persist", &["touch"]),
    ("post", &["set"]),
    ("read", &["get"]),
    ("remove", &["del"]),
    ("repl", &["attach"]),
    ("run", &["serve"]),
    ("save", &["backup", "set"]),
    ("scan", &["ls"]),
    ("search", &["ls"]),
    ("server", &["serve"]),
    ("shell", &["attach"]),
    ("show", &["get"]),
    ("shutdown", &["stop"]),
    ("store", &["set"]),
    ("subscribe", &["watch"]),
    ("tail", &["watch"]),
    ("transaction", &["txn"]),
    ("ttl", &["touch"]),
    ("tx", &["txn"]),
    ("unlink", &["del"]),
    ("unset", &["del"]),
    ("up", &["start"]),
    ("update", &["set"]),
    ("users", &["token"]),
    ("write", &["set"]),
];

/// Returns the verb that a word likely means; none if nothing is near enough.
pub(super) fn verb<'a>(word: &str, verbs: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let known = |name: &str| verbs.iter().find(|verb| **verb == name).copied();
    let synonyms = SYNONYMS
        .iter()
        .find(|(word_elsewhere, _)| *word_elsewhere == word);
    if let Some(verb) = synonyms.and_then(|(_, own)| own.iter().find_map(|own| known(own))) {
        return Some(verb);
    }
    // Two other letters make another word of a short one.
    let max_distance = if word.len() <= 4 { 1 } else { 2 };
    let near = verbs
        .iter()
        .map(|verb| (strsim::osa_distance(verb, &word), *verb))
        .filter(|(distance, verb)| *distance <= max_distance && *distance < verb.len());
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, verb)| verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_is_a_synonym_or_similar() {
        let verbs = [
            "get", "set", "del", "ls", "man", "ns", "stop", "status", "watch", "verify",
        ];
        for (word, wanted) in [
            ("scan", Some("ls")),
            ("SCAN", Some("ls")),
            ("gett", Some("get")),
            ("gte", Some("get")),
            ("stpo", Some("stop")),
            ("verfiy", Some("verify")),
            ("remove", Some("del")),
            ("info", Some("status")),
            // The verb that it stands for is not among these.
            ("dump", None),
            ("xyz", None),
            ("nonsense", None),
            ("q", None),
        ] {
            assert_eq!(verb(word, &verbs), wanted, "{word}");
        }
    }
}
