module github.com/ivrdeflect/ivrdeflect/examples/prometheus

go 1.26.0

toolchain go1.26.10

replace github.com/ivrdeflect/ivrdeflect => ../..

require (
	github.com/grafana/grafana-foundation-sdk/go v0.0.22
	github.com/ivrdeflect/ivrdeflect v0.0.0-00010101000000-000000000000
	go.yaml.in/yaml/v3 v3.0.6
)
