//! From the description of a family to a registered metric.

use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

use super::families::{Family, Kind};

/// Makes metrics from families and registers each.
pub(super) struct Registrar<'a>(pub(super) &'a Registry);

type Made<T> = prometheus::Result<T>;

impl Registrar<'_> {
    pub(super) fn int_counter(&self, family: Family) -> Made<IntCounter> {
        self.register(IntCounter::with_opts(opts(family))?)
    }

    pub(super) fn int_counters(&self, family: Family) -> Made<IntCounterVec> {
        self.register(IntCounterVec::new(opts(family), family.labels)?)
    }

    pub(super) fn counter(&self, family: Family) -> Made<Counter> {
        self.register(Counter::with_opts(opts(family))?)
    }

    pub(super) fn int_gauge(&self, family: Family) -> Made<IntGauge> {
        self.register(IntGauge::with_opts(opts(family))?)
    }

    pub(super) fn int_gauges(&self, family: Family) -> Made<IntGaugeVec> {
        self.register(IntGaugeVec::new(opts(family), family.labels)?)
    }

    pub(super) fn gauge(&self, family: Family) -> Made<Gauge> {
        self.register(Gauge::with_opts(opts(family))?)
    }

    pub(super) fn histogram(&self, family: Family) -> Made<Histogram> {
        self.register(Histogram::with_opts(histogram_opts(family))?)
    }

    pub(super) fn histograms(&self, family: Family) -> Made<HistogramVec> {
        self.register(HistogramVec::new(histogram_opts(family), family.labels)?)
    }

    fn register<C: Collector + Clone + 'static>(&self, metric: C) -> Made<C> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

fn opts(family: Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn histogram_opts(family: Family) -> HistogramOpts {
    let bounds = match family.kind {
        Kind::Histogram(bounds) => bounds.to_vec(),
        Kind::Counter | Kind::Gauge => Vec::new(),
    };
    HistogramOpts::new(family.name, family.help).buckets(bounds)
}
