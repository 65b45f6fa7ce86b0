//! The numbers as text, in the text format of Prometheus (version 0.0.4) or in OpenMetrics 1.0. The formats differ in the
//! name of a counter's family and in the last line.

use std::borrow::Cow;
use std::fmt;

use akvs_server::Buckets;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

/// The labels of a series.
type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Numbers that only grow; their names end with `_total`.
    Counter,
    Gauge,
    Histogram,
}

/// A number, or a distribution of numbers.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Whole(u64),
    Real(f64),
    /// A distribution of numbers.
    Sizes(Buckets),
    /// A distribution of nanoseconds, which is written in seconds.
    Nanos(Buckets),
}

/// The series of one name.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    series: Vec<(Labels, Value)>,
}

impl Family {
    /// Returns a family without a series, which is not written until it has one.
    pub(crate) fn new(name: &'static str, help: &'static str, kind: Kind) -> Family {
        Family {
            name,
            help,
            kind,
            series: Vec::new(),
        }
    }

    /// Returns a family of one series without labels.
    pub(crate) fn one(name: &'static str, help: &'static str, kind: Kind, value: Value) -> Family {
        Family::new(name, help, kind).with([], value)
    }

    /// Adds a series.
    pub(crate) fn with<const N: usize>(
        mut self,
        labels: [(&'static str, Cow<'static, str>); N],
        value: Value,
    ) -> Family {
        self.series.push((labels.into(), value));
        self
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>, format: Format) -> fmt::Result {
        if self.series.is_empty() {
            return Ok(());
        }
        let name = match (self.kind, format) {
            // The text format has the whole name in the lines of the family, too.
            (Kind::Counter, Format::Text) => Cow::Owned(format!("{}_total", self.name)),
            (Kind::Counter, Format::OpenMetrics)
            | (Kind::Gauge | Kind::Histogram, Format::Text | Format::OpenMetrics) => {
                Cow::Borrowed(self.name)
            }
        };
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        let mut encoder = encoder.encode_descriptor(&name, self.help, None, kind)?;
        for (labels, value) in &self.series {
            if labels.is_empty() {
                self.encode_value(&mut encoder, value, format)?;
            } else {
                self.encode_value(&mut encoder.encode_family(labels)?, value, format)?;
            }
        }
        Ok(())
    }

    fn encode_value(
        &self,
        encoder: &mut MetricEncoder<'_>,
        value: &Value,
        format: Format,
    ) -> fmt::Result {
        // The text format of a counter with its whole name is that of a gauge.
        let has_suffix = self.kind == Kind::Counter && format == Format::OpenMetrics;
        match value {
            Value::Whole(number) if has_suffix => {
                encoder.encode_counter(number, None::<&Exemplar<NoLabelSet, f64>>)
            }
            Value::Real(number) if has_suffix => {
                encoder.encode_counter(number, None::<&Exemplar<NoLabelSet, f64>>)
            }
            Value::Whole(number) => encoder.encode_gauge(number),
            Value::Real(number) => encoder.encode_gauge(number),
            Value::Sizes(buckets) => encode_histogram(encoder, buckets, 1.0),
            Value::Nanos(buckets) => encode_histogram(encoder, buckets, 1e9),
        }
    }
}

fn encode_histogram(encoder: &mut MetricEncoder<'_>, buckets: &Buckets, one: f64) -> fmt::Result {
    // Divided, because a product with 1e-9 would not be exact and the bounds would have many digits.
    let bounds = buckets.bounds.iter().map(|bound| *bound as f64 / one);
    let bounds = bounds.chain([f64::INFINITY]);
    let counts: Vec<(f64, u64)> = bounds.zip(buckets.counts.iter().copied()).collect();
    let sum = buckets.sum as f64 / one;
    encoder.encode_histogram::<NoLabelSet>(sum, buckets.count(), &counts, None)
}

/// The format of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    /// Returns the format for a client that accepts this (RFC 9110, section 12.5.1): OpenMetrics if it is listed, whatever
    /// its quality is.
    pub(crate) fn negotiate(accept: Option<&str>) -> Format {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Format::OpenMetrics,
            Some(_) | None => Format::Text,
        }
    }

    /// Returns the media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text of all families.
#[derive(Debug)]
pub(crate) struct Page {
    families: Vec<Family>,
    format: Format,
}

impl Page {
    /// Returns a page of these families.
    pub(crate) fn new(families: Vec<Family>, format: Format) -> Page {
        Page { families, format }
    }

    /// Renders the text.
    pub(crate) fn text(self) -> Result<String, fmt::Error> {
        let format = self.format;
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut out = String::with_capacity(16 << 10);
        text::encode_registry(&mut out, &registry)?;
        if format == Format::OpenMetrics {
            text::encode_eof(&mut out)?;
        }
        Ok(out)
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.families
            .iter()
            .try_for_each(|family| family.encode(&mut encoder, self.format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let buckets = |bounds, counts: &[u64], sum| Buckets {
            bounds,
            counts: counts.into(),
            sum,
        };
        vec![
            Family::new("c", "Counter.", Kind::Counter)
                .with([("l", "a\"\\b".into())], Value::Whole(1))
                .with([("l", "é".into())], Value::Real(1.5)),
            Family::one("g", "Gauge.", Kind::Gauge, Value::Whole(u64::MAX)),
            Family::one(
                "s",
                "Sizes.",
                Kind::Histogram,
                Value::Sizes(buckets(&[1, 2], &[3, 0, 1], 9)),
            ),
            Family::new("n_seconds", "Nanos.", Kind::Histogram).with(
                [("l", "x".into())],
                Value::Nanos(buckets(&[25_000], &[1, 0], 20_000)),
            ),
            Family::new("none", "Nothing.", Kind::Gauge),
        ]
    }

    const REST: &str = "# HELP g Gauge.\n# TYPE g gauge\ng 18446744073709551615\n\
        # HELP s Sizes.\n# TYPE s histogram\ns_sum 9.0\ns_count 4\n\
        s_bucket{le=\"1.0\"} 3\ns_bucket{le=\"2.0\"} 3\ns_bucket{le=\"+Inf\"} 4\n\
        # HELP n_seconds Nanos.\n# TYPE n_seconds histogram\n\
        n_seconds_sum{l=\"x\"} 0.00002\nn_seconds_count{l=\"x\"} 1\n\
        n_seconds_bucket{le=\"0.000025\",l=\"x\"} 1\nn_seconds_bucket{le=\"+Inf\",l=\"x\"} 1\n";

    #[test]
    fn a_page_is_the_text_of_its_format() {
        let counter = "c_total{l=\"a\\\"\\\\b\"} 1\nc_total{l=\"é\"} 1.5\n";
        let text = Page::new(families(), Format::Text).text().unwrap();
        let head = "# HELP c_total Counter.\n# TYPE c_total counter\n";
        assert_eq!(text, format!("{head}{counter}{REST}"));
        let text = Page::new(families(), Format::OpenMetrics).text().unwrap();
        let head = "# HELP c Counter.\n# TYPE c counter\n";
        assert_eq!(text, format!("{head}{counter}{REST}# EOF\n"));
    }

    #[test]
    fn a_client_that_lists_openmetrics_gets_it() {
        let accepted = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2";
        assert_eq!(Format::negotiate(Some(accepted)), Format::OpenMetrics);
        for other in [None, Some("*/*"), Some("text/plain"), Some("text/html")] {
            assert_eq!(Format::negotiate(other), Format::Text);
        }
    }
}
