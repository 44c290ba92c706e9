//! Prometheus' text format (version 0.0.4): families with their help and type, and samples.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of what was at most so much.
    Histogram,
}

impl MetricType {
    /// Its name in the format.
    pub fn name(self) -> &'static str {
        match self {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
        }
    }
}

/// A family of samples.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// With the unit, and `_total` for counters.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricType,
    /// The names of its labels, each with few values.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

/// Values of families, by their names.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<&'static str, Vec<String>>);

impl Samples {
    /// A value without labels.
    pub fn add(&mut self, name: &'static str, value: f64) {
        self.line(name, "", &[], value);
    }

    /// A value with labels.
    pub fn add_with(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        self.line(name, "", labels, value);
    }

    /// A histogram: how many were at most each bound, beginning with the least; how many there were, and their sum.
    pub fn add_histogram(&mut self, name: &'static str, buckets: &[(f64, u64)], count: u64, sum: f64) {
        for (bound, count) in buckets {
            self.line(name, "_bucket", &[("le", &bound.to_string())], *count as f64);
        }
        self.line(name, "_bucket", &[("le", "+Inf")], count as f64);
        self.line(name, "_sum", &[], sum);
        self.line(name, "_count", &[], count as f64);
    }

    fn line(&mut self, name: &'static str, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let mut line = format!("{name}{suffix}");
        for (place, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // Writing to a text does not fail.
            let _ = write!(line, "{}{label}=\"{value}\"", if place == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            line.push('}');
        }
        let _ = write!(line, " {value}");
        self.0.entry(name).or_default().push(line);
    }

    /// The text, families in the order of `metrics`; those without a value have only their head.
    pub fn text(&self, metrics: &[Metric]) -> String {
        let mut out = String::new();
        for metric in metrics {
            let _ = writeln!(out, "# HELP {} {}", metric.name, metric.help);
            let _ = writeln!(out, "# TYPE {} {}", metric.name, metric.kind.name());
            for line in self.0.get(metric.name).into_iter().flatten() {
                let _ = writeln!(out, "{line}");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_as_prometheus_reads_it() {
        let metric = |name, kind| Metric { name, kind, labels: &[], help: "Help." };
        let metrics = [
            metric("a_total", MetricType::Counter),
            metric("none", MetricType::Gauge),
            metric("h", MetricType::Histogram),
        ];
        let mut samples = Samples::default();
        samples.add_histogram("h", &[(0.5, 1), (1.0, 3)], 4, 2.5);
        samples.add("a_total", 1e6);
        samples.add_with("a_total", &[("x", "a\"b\\c\nd"), ("y", "")], 0.0);
        let expected = "# HELP a_total Help.\n# TYPE a_total counter\na_total 1000000\na_total{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 0\n\
            # HELP none Help.\n# TYPE none gauge\n# HELP h Help.\n# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 2.5\nh_count 4\n";
        assert_eq!(samples.text(&metrics), expected);
    }
}
