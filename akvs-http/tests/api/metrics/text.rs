//! A strict parser of the Prometheus text format, which panics at everything that the format does not allow.

use std::collections::{BTreeMap, BTreeSet};

/// A parsed page.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    /// The type of each family.
    pub(super) families: BTreeMap<String, String>,
    /// The value of each series, by its name and its sorted labels.
    pub(super) series: BTreeMap<(String, Labels), f64>,
}

pub(super) type Labels = BTreeMap<String, String>;

impl Scrape {
    /// Parses a page of the text format, version 0.0.4.
    pub(super) fn read(text: &str) -> Scrape {
        assert!(text.ends_with('\n'), "the last line is not ended");
        let mut scrape = Scrape::default();
        let (mut help, mut family) = (None, None);
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, text) = rest.split_once(' ').expect("a help text");
                assert!(is_name(name) && !text.is_empty(), "{line}");
                help = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert_eq!(help.as_deref(), Some(name), "a type follows its help");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                let known = scrape.families.insert(name.into(), kind.into());
                assert!(known.is_none(), "duplicate family {name}");
                family = Some((name.to_owned(), kind.to_owned()));
            } else {
                let (name, labels, value) = sample(line);
                let (family, kind) = family.as_ref().expect("a family");
                let suffix = name.strip_prefix(family.as_str());
                let suffix = suffix.unwrap_or_else(|| panic!("{line} does not belong to {family}"));
                match kind.as_str() {
                    "histogram" => assert!(["_sum", "_count", "_bucket"].contains(&suffix)),
                    _ => assert_eq!(suffix, "", "{line}"),
                }
                assert!(kind == "gauge" || value >= 0.0, "{line}");
                let known = scrape.series.insert((name, labels), value);
                assert!(known.is_none(), "duplicate series {line}");
            }
        }
        scrape.check_histograms();
        scrape
    }

    /// Asserts that buckets are cumulative, up to the count.
    fn check_histograms(&self) {
        let mut last: BTreeMap<(&str, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.series {
            if let Some(family) = name.strip_suffix("_bucket") {
                let mut others = labels.clone();
                let bound = others.remove("le").expect("a bound");
                let bound = if bound == "+Inf" {
                    f64::INFINITY
                } else {
                    bound.parse().expect("a bound")
                };
                let buckets = last.entry((family, others)).or_default();
                buckets.push((bound, *value));
            }
        }
        for ((family, labels), mut buckets) in last {
            buckets.sort_by(|(bound, _), (other, _)| bound.total_cmp(other));
            assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{family}");
            let (bound, all) = buckets.last().copied().expect("a bucket");
            assert_eq!(bound, f64::INFINITY, "{family}");
            let count = &self.series[&(format!("{family}_count"), labels.clone())];
            assert_eq!(*count, all, "{family}");
            let sum = self.series[&(format!("{family}_sum"), labels)];
            assert_eq!(sum > 0.0, all > 0.0, "{family}");
        }
    }

    /// Returns the value of a series; 0 where it does not exist.
    pub(super) fn get<const N: usize>(&self, name: &str, labels: [(&str, &str); N]) -> f64 {
        let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned()));
        let series = (name.to_owned(), labels.into());
        self.series.get(&series).copied().unwrap_or(0.0)
    }

    /// Returns the number of requests with this route, method and status.
    pub(super) fn requests(&self, route: &str, method: &str, status: &str) -> f64 {
        let labels = [("route", route), ("method", method), ("status", status)];
        self.get("akvs_http_requests_total", labels)
    }

    /// Returns the values of a label.
    pub(super) fn values(&self, name: &str, label: &str) -> BTreeSet<&str> {
        let series = self.series.keys().filter(|(found, _)| found == name);
        series.map(|(_, labels)| &*labels[label]).collect()
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    name.bytes().all(is_part) && !name.is_empty()
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            let (label, value) = inner.split_once("=\"").expect("a label");
            assert!(is_name(label), "{line}");
            let (value, rest_of_line) = quoted(value);
            assert!(labels.insert(label.into(), value).is_none(), "{line}");
            match rest_of_line.strip_prefix(',') {
                Some(next) => inner = next,
                None => {
                    rest = rest_of_line.strip_prefix('}').expect("the labels' end");
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("a space");
    let number = value.parse().unwrap_or_else(|_| panic!("{line}"));
    (name.into(), labels, number)
}

/// Returns a label's value up to its quote, and the text after the quote.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next().expect("a quote") {
            (at, '"') => return (value, &text[at + 1..]),
            (_, '\\') => match chars.next().expect("an escaped character").1 {
                'n' => value.push('\n'),
                escaped @ ('"' | '\\') => value.push(escaped),
                other => panic!("unknown escape \\{other}"),
            },
            (_, character) => value.push(character),
        }
    }
}
