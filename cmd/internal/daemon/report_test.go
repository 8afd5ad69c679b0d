package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// TestUncertainTextIsSettled loses the answer of one text, and finds the text in the report.
func TestUncertainTextIsSettled(t *testing.T) {
	b := start(t, func(o *Options) { o.Config.Deflect.Settle.After = time.Second })
	b.api.Inject(livedeflecttest.Fault{ResetAfter: true})
	results, _ := b.calls(1, pressOne)
	outcomes(t, results, 1)
	b.log.await("uncertain text settled")
	if _, text := b.get("/metrics"); !strings.Contains(text, "deflect_settled_total{result=\"sent\"} 1\n") {
		t.Error("/metrics does not show what was settled")
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
}

// TestUnsettledTextIsToldAtTheEnd stops a daemon that does not know yet of two texts.
func TestUnsettledTextIsToldAtTheEnd(t *testing.T) {
	b := start(t, nil)
	b.api.SetFault(&livedeflecttest.Fault{Status: 500})
	for _, id := range []string{"one", "two"} {
		call := pressOne
		call.Vars = map[string]string{"deflect_external_id": id}
		results, _ := b.calls(1, call)
		outcomes(t, results, 1)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
	for _, id := range []string{"one", "two"} {
		for _, part := range []string{
			`"level":"WARN","msg":"uncertain text settled","call_id":"` + id + `","result":"unknown"`,
			`"level":"WARN","msg":"call ended","call_id":"` + id + `","uuid":"`,
		} {
			if n := strings.Count(b.log.text(), part); n != 1 {
				t.Errorf("the log has %s %d times, want once:\n%s", part, n, b.log.text())
			}
		}
	}
}

// TestReportIsPolledIntoMetrics lets the daemon poll the report: what one caller came to shows in
// its metrics.
func TestReportIsPolledIntoMetrics(t *testing.T) {
	b := start(t, func(o *Options) { o.Config.Funnel.Every = time.Second })
	// The call begins after the polling.
	b.log.await("report request ended")
	results, _ := b.calls(1, freeswitchtest.Call{
		ANI: caller, DNIS: dialed, SocketResume: true, Answered: true, Script: pressOne.Script,
	})
	outcomes(t, results, 1)
	for range 2 {
		b.log.await("report request ended")
	}
	b.api.SetReportFault(&livedeflecttest.Fault{Status: 401})
	b.log.await("report poll incomplete")
	_, text := b.get("/metrics")
	for _, series := range []string{
		`deflect_funnel_calls_total{stage="sendtext"} 1`, `deflect_funnel_calls_total{stage="conversationid"} 0`,
		`deflect_funnel_polls_total{result="incomplete"} 1`,
	} {
		if !strings.Contains(text, series+"\n") {
			t.Errorf("/metrics does not have %s", series)
		}
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
}
