package livedeflect_test

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// A Client that is closed leaves its place on the Registerer to the next one, whose
// metrics stay however often it is closed, and asks for nothing any more.
func TestCloseLeavesTheNextAlone(t *testing.T) {
	api := livedeflecttest.New(keys)
	registry := prometheus.NewRegistry()
	cfg := livedeflect.Config{SiteID: keys.SiteID, Domain: "va", Auth: auth(), Transport: api, Registerer: registry}
	first, err := livedeflect.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := livedeflect.New(cfg); !errors.Is(err, deflect.ErrInvalidConfig) || c != nil {
		t.Errorf("a second Client on one Registerer: %v", err)
	}
	first.Close()
	next, err := livedeflect.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	first.Close()
	if n, err := testutil.GatherAndCount(registry, "deflect_report_requests_total"); err != nil || n == 0 {
		t.Errorf("%d series, %v", n, err)
	}
	errs := 0
	for _, err := range first.Report(t.Context(), livedeflect.ReportQuery{From: time.Now().Add(-time.Hour), To: time.Now()}) {
		if errs++; !errors.Is(err, deflect.ErrClosed) || deflect.ReasonOf(err) != deflect.ReasonShutdown {
			t.Errorf("a report of a closed Client: %v", err)
		}
	}
	if err := first.Reload(cfg); errs != 1 || !errors.Is(err, deflect.ErrClosed) || len(api.Requests()) != 0 {
		t.Errorf("closed: %d errors, Reload %v, %d requests", errs, err, len(api.Requests()))
	}
}
