// Grafana's own types of dashboards, against which ours are held.
module salesforce-replicator/tests/tools/grafana

go 1.24

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
