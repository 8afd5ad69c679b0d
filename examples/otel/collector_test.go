package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// testCollector takes spans over OTLP/HTTP and keeps them.
type testCollector struct {
	*httptest.Server

	mu      sync.Mutex
	spans   []*tracepb.Span
	raw     []byte // all that came
	service string
}

func newCollector(t *testing.T) *testCollector {
	t.Helper()
	c := &testCollector{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("spans came as %q: %v", r.Header.Get("Content-Type"), err)
			http.Error(w, "no spans", http.StatusBadRequest)
			return
		}
		c.take(body, &request)
		w.Header().Set("Content-Type", "application/x-protobuf") // an empty answer says: all
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *testCollector) take(body []byte, request *collector.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, body...)
	for _, resource := range request.ResourceSpans {
		c.service = attributeOf(resource.GetResource().GetAttributes(), "service.name")
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}
