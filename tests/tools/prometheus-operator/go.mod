// Definitions of ServiceMonitor, PodMonitor and PrometheusRule, for the tests of the chart. Nothing is built of it.
module salesforce-replicator/tests/tools/prometheus-operator

go 1.24

require github.com/prometheus-operator/prometheus-operator v0.85.0
