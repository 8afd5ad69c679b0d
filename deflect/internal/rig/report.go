package rig

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reporter is a transport that answers each request for the report as it is told.
type Reporter struct {
	Answer func(from, to time.Time) (status int, body string) // 0 is no answer
	Bend   func(context.Context, io.Reader) io.Reader         // the body; nil leaves it
}

// RoundTrip implements [http.RoundTripper].
func (r *Reporter) RoundTrip(req *http.Request) (*http.Response, error) {
	var q struct{ StartTime, EndTime string }
	if err := json.NewDecoder(req.Body).Decode(&q); err != nil {
		return nil, err
	}
	req.Body.Close()
	status, body := r.Answer(epoch(q.StartTime), epoch(q.EndTime))
	if status == 0 {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	}
	src := io.Reader(strings.NewReader(body))
	if r.Bend != nil {
		src = r.Bend(req.Context(), src)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(src), Request: req}, nil
}

func epoch(ms string) time.Time {
	n, _ := strconv.ParseInt(ms, 10, 64) // what is no time is 1970
	return time.UnixMilli(n)
}

// Sum adds up a metric's series.
func Sum(t testing.TB, from prometheus.Gatherer, name string) (n float64) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return n
}
