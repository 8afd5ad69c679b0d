module github.com/ivrdeflect/ivrdeflect/examples/prometheus

go 1.26.0

toolchain go1.26.10

replace github.com/ivrdeflect/ivrdeflect => ../..

require (
	github.com/grafana/grafana-foundation-sdk/go v0.0.22
	go.yaml.in/yaml/v3 v3.0.6
)
