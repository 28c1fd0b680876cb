//! The numbers, in one struct that is built at the start and shared by `Arc`.
//!
//! What happens per transaction costs one relaxed atomic addition; only what is rare carries a label. A label is a
//! `&'static str` from an enum of the room that counts, so that no text of a client can ever become one.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};

/// Every number that pgask keeps.
#[derive(Debug)]
pub struct Metrics {
    /// Clients connected now, logged in or not.
    pub clients_connected: IntGauge,
    /// Clients turned away because there were too many.
    pub clients_refused: IntCounter,
    /// Logins of clients that succeeded.
    pub logins_ok: IntCounter,
    /// Logins of clients that failed, by reason.
    pub logins_failed: Labelled,
    /// Server connections open now, in use or free.
    pub server_connections: IntGauge,
    /// Server connections that were opened since the start.
    pub server_connects: IntCounter,
    /// Attempts to open a server connection that failed.
    pub server_connects_failed: IntCounter,
    /// Clients waiting now for a server connection.
    pub leases_waiting: IntGauge,
    /// How long clients waited for a server connection; those that need not wait are not observed.
    pub lease_wait: Histogram,
    /// Server connections taken from idle sessions, which had used them last, since the start.
    pub leases_stolen: IntCounter,
    /// Server connections pinned to a client now.
    pub pinned_connections: IntGauge,
    /// Server connections pinned to a client since the start, by cause.
    pub pins: Labelled,
    /// Server connections taken from a session at its end, by what became of them.
    pub leases_ended: Labelled,
    /// Questions about what a session has left on its connection, by outcome.
    pub inquiries: Labelled,
    /// Transactions relayed since the start.
    pub transactions: IntCounter,
    /// CancelRequests passed on to a server.
    pub cancels: IntCounter,
    /// Asks since the start, by outcome.
    pub asks: Labelled,
    /// How long an ask took from its recognition to its approved SQL.
    pub ask_duration: Histogram,
    /// Asks whose SQL was remembered rather than synthesized.
    pub memo_hits: IntCounter,
    /// Asks whose SQL was pinned or corrected.
    pub kept_answers: IntCounter,
    /// Looks at the state store that failed.
    pub state_failures: IntCounter,
    /// How long a provider took for one Draft, by the provider's kind.
    pub provider_duration: LabelledDuration,
    /// Drafts that a provider failed to deliver, by the provider's kind.
    pub provider_failures: Labelled,
    /// Drafts refused by the guard, by rule.
    pub guard_refusals: Labelled,
    registry: Registry,
}

/// A counter with one label, whose values are known when pgask is compiled.
#[derive(Debug)]
pub struct Labelled(IntCounterVec);

impl Labelled {
    /// Counts one under a label's value.
    pub fn inc(&self, value: &'static str) {
        self.0.with_label_values(&[value]).inc();
    }
}

/// A histogram of durations with one label, whose values are known when pgask is compiled.
#[derive(Debug)]
pub struct LabelledDuration(HistogramVec);

impl LabelledDuration {
    /// Records one duration under a label's value.
    pub fn observe(&self, value: &'static str, duration: Duration) {
        self.0
            .with_label_values(&[value])
            .observe(duration.as_secs_f64());
    }
}

/// Holds a gauge one higher for as long as it lives, however its owner ends.
#[derive(Debug)]
pub struct Held(IntGauge);

impl Held {
    /// Raises the gauge.
    #[must_use]
    pub fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Bounds of the histograms, in seconds: from a memory lookup to a slow model.
const DURATION_BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0,
];

impl Metrics {
    /// All numbers at zero.
    #[must_use]
    pub fn new() -> Self {
        let new = Maker(Registry::new());
        let build = new.counters("pgask_build_info", "The running version.", "version");
        build
            .0
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .inc();
        Self {
            clients_connected: new.gauge("pgask_clients_connected", "Clients connected now."),
            clients_refused: new.counter(
                "pgask_clients_refused_total",
                "Clients turned away because there were too many.",
            ),
            logins_ok: new.counter("pgask_logins_ok_total", "Logins that succeeded."),
            logins_failed: new.counters(
                "pgask_logins_failed_total",
                "Logins that failed.",
                "reason",
            ),
            server_connections: new.gauge(
                "pgask_server_connections",
                "Server connections open now, in use or free.",
            ),
            server_connects: new
                .counter("pgask_server_connects_total", "Server connections opened."),
            server_connects_failed: new.counter(
                "pgask_server_connects_failed_total",
                "Attempts to open a server connection that failed.",
            ),
            leases_waiting: new.gauge(
                "pgask_leases_waiting",
                "Clients waiting now for a server connection.",
            ),
            lease_wait: new.duration(
                "pgask_lease_wait_seconds",
                "Time that clients waited for a server connection.",
            ),
            leases_stolen: new.counter(
                "pgask_leases_stolen_total",
                "Server connections that went from an idle session to one that needed one.",
            ),
            pinned_connections: new.gauge(
                "pgask_pinned_connections",
                "Server connections pinned to a client now.",
            ),
            pins: new.counters(
                "pgask_pins_total",
                "Server connections pinned to a client.",
                "cause",
            ),
            leases_ended: new.counters(
                "pgask_leases_ended_total",
                "Server connections taken from a session at its end.",
                "connection",
            ),
            inquiries: new.counters(
                "pgask_inquiries_total",
                "Questions about what a session has left on its connection.",
                "outcome",
            ),
            transactions: new.counter("pgask_transactions_total", "Transactions relayed."),
            cancels: new.counter(
                "pgask_cancels_total",
                "CancelRequests passed on to a server.",
            ),
            asks: new.counters("pgask_asks_total", "Asks.", "outcome"),
            ask_duration: new.duration(
                "pgask_ask_duration_seconds",
                "Time from an ask's recognition to its approved SQL.",
            ),
            memo_hits: new.counter(
                "pgask_ask_memo_hits_total",
                "Asks whose SQL was remembered rather than synthesized.",
            ),
            kept_answers: new.counter(
                "pgask_ask_kept_total",
                "Asks whose SQL was pinned or corrected.",
            ),
            state_failures: new.counter(
                "pgask_state_failures_total",
                "Reads and writes of the state store that failed.",
            ),
            provider_duration: new.durations(
                "pgask_provider_duration_seconds",
                "Time a provider took for one draft.",
                "kind",
            ),
            provider_failures: new.counters(
                "pgask_provider_failures_total",
                "Drafts that a provider failed to deliver.",
                "kind",
            ),
            guard_refusals: new.counters(
                "pgask_guard_refusals_total",
                "Drafts refused by the guard.",
                "rule",
            ),
            registry: new.0,
        }
    }

    /// All numbers in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("a Vec takes every write");
        String::from_utf8(text).expect("names and labels are UTF-8")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes numbers that are registered from the start.
struct Maker(Registry);

impl Maker {
    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, label: &str) -> Labelled {
        Labelled(self.register(IntCounterVec::new(Opts::new(name, help), &[label])))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    fn duration(&self, name: &str, help: &str) -> Histogram {
        self.register(Histogram::with_opts(buckets(name, help)))
    }

    fn durations(&self, name: &str, help: &str, label: &str) -> LabelledDuration {
        LabelledDuration(self.register(HistogramVec::new(buckets(name, help), &[label])))
    }

    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("names are constants that follow Prometheus' rules");
        self.0
            .register(Box::new(collector.clone()))
            .expect("each name is registered once");
        collector
    }
}

fn buckets(name: &str, help: &str) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(DURATION_BUCKETS.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered() {
        let metrics = Metrics::new();
        metrics.transactions.inc();
        metrics.pins.inc("listen");
        metrics
            .provider_duration
            .observe("builtin", Duration::from_millis(2));
        let text = metrics.render();
        assert!(text.contains("pgask_transactions_total 1"), "{text}");
        assert!(
            text.contains(r#"pgask_pins_total{cause="listen"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(
                r#"pgask_provider_duration_seconds_bucket{kind="builtin",le="0.0025"} 1"#
            ),
            "{text}"
        );
    }

    #[test]
    fn names_end_in_their_unit() {
        let metrics = Metrics::new();
        for family in metrics.registry.gather() {
            let name = family.name();
            let counts = [
                "_total",
                "_seconds",
                "_info",
                "_connected",
                "_connections",
                "_waiting",
            ];
            assert!(counts.iter().any(|end| name.ends_with(end)), "{name}");
        }
    }

    #[test]
    fn a_held_gauge_falls_with_its_holder() {
        let metrics = Metrics::new();
        let held = Held::new(&metrics.clients_connected);
        assert_eq!(metrics.clients_connected.get(), 1);
        drop(held);
        assert_eq!(metrics.clients_connected.get(), 0);
    }
}
