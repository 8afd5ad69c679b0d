package main

import (
	"bytes"
	order "cmp"
	"context"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// traced lets somebody call, who presses 1 when asked, and returns the spans of that and
// the headers that the API was sent.
func traced(t *testing.T, from string, fault livedeflecttest.Fault, transport http.RoundTripper) (c *testCollector, sent []http.Header, outcome string) {
	t.Helper()
	double := livedeflecttest.New(livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"})
	double.Inject(fault)
	var mu sync.Mutex
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		sent = append(sent, r.Header.Clone())
		mu.Unlock()
		double.ServeHTTP(w, r)
	}))
	t.Cleanup(api.Close)
	c = newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	cfg := livedeflect.Config{
		SiteID: "38856538", BaseURL: api.URL, Transport: transport,
		Auth: liveperson.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")},
	}
	ln, err := freeswitch.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, cfg, ln) }()
	call := freeswitchtest.Call{
		UUID: "a-call", ANI: from, CallerName: "Ada Lovelace", DNIS: "+18005550100", SocketResume: true,
		Script: []freeswitchtest.Action{freeswitchtest.Press("1")},
		Length: func(string, string) time.Duration { return 10 * time.Millisecond },
	}
	result, err := call.Dial(t.Context(), ln.Addr().String())
	if err != nil || result.Lost || len(result.Violations) > 0 {
		t.Errorf("the call: %v, lost %v, violations %v", err, result.Lost, result.Violations)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run returned %v", err)
	}
	return c, sent, result.Vars["deflect_outcome"]
}

// One trace goes from the call to the request to the API, and holds nothing of the caller.
func TestOneTrace(t *testing.T) {
	c, sent, outcome := traced(t, "+14043438646", livedeflecttest.Fault{}, nil)
	want := []string{
		"call",
		"call > offer",
		"call > deflect",
		"call > deflect > attempt",
		"call > deflect > attempt > POST",
	}
	if diff := cmp.Diff(want, c.paths(t)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	for name, attributes := range map[string]map[string]string{
		"call":    {"deflect.call_id": "a-call", "deflect.profile": "sales", "deflect.outcome": "sent", "deflect.reason": "ok"},
		"offer":   {"deflect.offered": "true"},
		"deflect": {"deflect.outcome": "sent"},
		"attempt": {"deflect.outcome": "sent"},
		"POST":    {"http.response.status_code": "200", "http.request.method": "POST"},
	} {
		span := c.span(t, name)
		for key, value := range attributes {
			if got := attributeOf(span.Attributes, key); got != value {
				t.Errorf("%s: %s is %q, want %q", name, key, got, value)
			}
		}
	}
	for name, events := range map[string][]string{
		"call":  {"command connect", "event CHANNEL_DATA", "command answer", "command playback", "event DTMF", "command multiset", "command exit"},
		"offer": {"rule number"},
		"POST":  {"connected", "request written", "answer begins"},
	} {
		var got []string
		for _, e := range c.span(t, name).Events {
			got = append(got, e.Name)
		}
		for _, e := range events {
			if !slices.Contains(got, e) {
				t.Errorf("%s has no event %q, but %q", name, e, got)
			}
		}
	}
	if c.service != "deflect" || outcome != "sent" || len(sent) != 1 {
		t.Errorf("service %q, outcome %q, %d requests", c.service, outcome, len(sent))
	}
	for _, tell := range []string{"4043438646", "8005550100", "Lovelace", "Thanks for calling", "secret"} {
		if bytes.Contains(c.raw, []byte(tell)) {
			t.Errorf("the spans hold %q", tell)
		}
	}
	for _, h := range sent {
		if h.Get("Traceparent") != "" || h.Get("Baggage") != "" {
			t.Errorf("the API was told of the trace: %v", h)
		}
	}
}

func TestTellsTheVendorWhenToldTo(t *testing.T) {
	c, sent, _ := traced(t, "+14043438646", livedeflecttest.Fault{}, telling{liveperson.NewTransport()})
	attempt := c.span(t, "attempt")
	want := "00-" + hex.EncodeToString(attempt.TraceId) + "-" + hex.EncodeToString(attempt.SpanId) + "-01"
	if len(sent) != 1 || sent[0].Get("Traceparent") != want {
		t.Errorf("the API was sent %v, want the traceparent %s", sent, want)
	}
}

func TestFailures(t *testing.T) {
	t.Run("no offer", func(t *testing.T) {
		c, sent, outcome := traced(t, "+493012345678", livedeflecttest.Fault{}, nil)
		if diff := cmp.Diff([]string{"call", "call > offer"}, c.paths(t)); diff != "" || len(sent) > 0 || outcome != "ineligible" {
			t.Errorf("%d requests, outcome %s, spans (-want +got):\n%s", len(sent), outcome, diff)
		}
		offer := c.span(t, "offer")
		if offered, reason := attributeOf(offer.Attributes, "deflect.offered"), attributeOf(offer.Attributes, "deflect.reason"); offered != "false" || reason != "number_fixed_line" {
			t.Errorf("offered %s, reason %s", offered, reason)
		}
	})
	t.Run("the API fails", func(t *testing.T) {
		c, _, outcome := traced(t, "+14043438646", livedeflecttest.Fault{Status: 503}, nil)
		for _, name := range []string{"deflect", "attempt", "POST"} {
			if status := c.span(t, name).GetStatus().GetCode(); status != tracepb.Status_STATUS_CODE_ERROR {
				t.Errorf("%s has the status %v", name, status)
			}
		}
		if status := attributeOf(c.span(t, "POST").Attributes, "http.response.status_code"); status != "503" || outcome != "uncertain" {
			t.Errorf("HTTP status %s, outcome %s", status, outcome)
		}
	})
}

// A call that is not sampled, or whose spans nobody takes, is served as any other.
func TestNobodyListens(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"not sampled":    {"OTEL_TRACES_SAMPLER": "always_off"},
		"collector away": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces", "OTEL_EXPORTER_OTLP_TIMEOUT": "100"},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range env {
				t.Setenv(key, value)
			}
			c, _, outcome := traced(t, "+14043438646", livedeflecttest.Fault{}, nil)
			if paths := c.paths(t); len(paths) > 0 || outcome != "sent" {
				t.Errorf("outcome %s, spans %v", outcome, paths)
			}
		})
	}
}

// paths are the spans in the order in which they began, each with those that it is in.
func (c *testCollector) paths(t *testing.T) (paths []string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(c.spans, func(a, b *tracepb.Span) int {
		return order.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano)
	})
	byID := map[string]*tracepb.Span{}
	for _, s := range c.spans {
		byID[string(s.SpanId)] = s
		if !bytes.Equal(s.TraceId, c.spans[0].TraceId) {
			t.Errorf("%s is of another trace", s.Name)
		}
	}
	for _, s := range c.spans {
		path := s.Name
		for in := s; len(in.ParentSpanId) > 0; {
			outer := byID[string(in.ParentSpanId)]
			if outer == nil {
				t.Fatalf("%s is in a span that nobody sent", in.Name)
			}
			if in.StartTimeUnixNano < outer.StartTimeUnixNano || in.EndTimeUnixNano > outer.EndTimeUnixNano {
				t.Errorf("%s is not within the time of %s", in.Name, outer.Name)
			}
			path, in = outer.Name+" > "+path, outer
		}
		paths = append(paths, path)
	}
	return paths
}

func (c *testCollector) span(t *testing.T, name string) *tracepb.Span {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.spans, func(s *tracepb.Span) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no span %q", name)
	}
	return c.spans[i]
}

// attributeOf is the value of an attribute as text, "" without it.
func attributeOf(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.Key != key {
			continue
		}
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			return v.StringValue
		case *commonpb.AnyValue_BoolValue:
			return strconv.FormatBool(v.BoolValue)
		case *commonpb.AnyValue_IntValue:
			return strconv.FormatInt(v.IntValue, 10)
		}
	}
	return ""
}
