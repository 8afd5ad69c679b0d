package livedeflect_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// TestReportConversationOpensWhileItIsRead reads the events of a call again, at the
// seam of two windows, when a conversation has opened since whose own event is not in
// the span: that is no repetition. What did not change is one.
func TestReportConversationOpensWhileItIsRead(t *testing.T) {
	for _, opens := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			api := livedeflecttest.New(keys)
			api.SetReport(livedeflecttest.Report{
				Filter:       livedeflecttest.ByEvent,
				Conversation: func(livedeflecttest.Deflection) (time.Duration, bool) { return 3 * time.Second, opens },
			})
			c := newClient(t, api, func(c *rig.Config) { c.Report.Window, c.Report.Parallel = time.Minute, 1 })
			k := call()
			k.Start, k.Accepted = time.Now(), time.Now()
			if _, err := c.Deflect(t.Context(), rig.Next(k)); err != nil {
				t.Fatal(err)
			}
			seam := time.Now()
			time.Sleep(2 * time.Second)
			api.InjectReport(livedeflecttest.Fault{Delay: 10 * time.Second})
			var events []livedeflect.Event
			for e, err := range c.API.Report(t.Context(), livedeflect.ReportQuery{From: seam.Add(-time.Minute), To: seam.Add(2 * time.Second)}) {
				if err != nil {
					t.Error(err)
				}
				events = append(events, e)
			}
			calls := funnel.Collect(func(yield func(livedeflect.Event, error) bool) {
				for _, e := range events {
					if !yield(e, nil) {
						return
					}
				}
			}, nil)
			f := funnel.Of(calls)
			want, conversations := 5, 0
			if opens {
				want, conversations = 10, 1
			}
			if len(events) != want || len(calls) != 1 || f.Texts != 1 || f.Conversations != conversations {
				t.Errorf("opens %t: %d events of %d calls, %d texts, %d conversations, want %d events of one call, one text, %d conversations",
					opens, len(events), len(calls), f.Texts, f.Conversations, want, conversations)
			}
		})
	}
}

// liveFunnel is what the metrics of the live funnel count: the stages of calls, and
// conversations with their summed times.
func liveFunnel(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "deflect_funnel_calls_total":
				out = append(out, fmt.Sprintf("%s %g", m.GetLabel()[0].GetValue(), m.GetCounter().GetValue()))
			case "deflect_funnel_time_to_conversation_seconds":
				out = append(out, fmt.Sprintf("conversation_seconds %d/%gs", m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()))
			}
		}
	}
	return strings.Join(out, ", ")
}

// TestPollConversationOpensWhileItIsRead lets a poll meet the same: the conversation
// counts at once, and once, and its time is taken when its event is told.
func TestPollConversationOpensWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetReport(livedeflecttest.Report{
			Filter:       livedeflecttest.ByEvent,
			Conversation: func(livedeflecttest.Deflection) (time.Duration, bool) { return 61 * time.Second, true },
		})
		registry := prometheus.NewRegistry()
		c := newClient(t, api, func(c *rig.Config) {
			c.Report.Window, c.Report.Parallel = time.Minute, 1
		})
		live, err := funnel.NewLive(c.API, nil, funnel.LiveConfig{Every: time.Minute, Lookback: 2 * time.Minute, Registerer: registry})
		if err != nil {
			t.Fatal(err)
		}
		go live.Run(t.Context())
		time.Sleep(time.Minute)
		k := call()
		k.Start, k.Accepted = time.Now(), time.Now()
		if _, err := c.Deflect(t.Context(), rig.Next(k)); err != nil { // at the seam of the next poll
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		api.InjectReport(livedeflecttest.Fault{Delay: 10 * time.Second})
		time.Sleep(75 * time.Second)
		if got := liveFunnel(t, registry); !strings.Contains(got, "conversationid 1, ") || !strings.Contains(got, "conversation_seconds 0/") {
			t.Errorf("after the poll that saw it open: %s", got)
		}
		time.Sleep(3 * time.Minute)
		if got := liveFunnel(t, registry); !strings.Contains(got, "conversationid 1, ") || !strings.Contains(got, "conversation_seconds 1/61s") || !strings.Contains(got, "sendtext 1, ") {
			t.Errorf("after later polls: %s", got)
		}
	})
}
