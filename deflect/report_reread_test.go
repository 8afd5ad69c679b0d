package deflect_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
)

// TestReportConversationOpensWhileItIsRead reads the events of a call again, at the
// seam of two windows, when a conversation has opened since whose own event is not in
// the span: that is no repetition. What did not change is one.
func TestReportConversationOpensWhileItIsRead(t *testing.T) {
	for _, opens := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			api := deflecttest.New(keys)
			api.SetReport(deflecttest.Report{
				Filter:       deflecttest.ByEvent,
				Conversation: func(deflecttest.Deflection) (time.Duration, bool) { return 3 * time.Second, opens },
			})
			c := newClient(t, api, func(c *deflect.Config) { c.Report.Window, c.Report.Parallel = time.Minute, 1 })
			k := call()
			k.Start, k.Accepted = time.Now(), time.Now()
			if _, err := c.Deflect(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			seam := time.Now()
			time.Sleep(2 * time.Second)
			api.InjectReport(deflecttest.Fault{Delay: 10 * time.Second})
			var events []deflect.Event
			for e, err := range c.Report(t.Context(), deflect.ReportQuery{From: seam.Add(-time.Minute), To: seam.Add(2 * time.Second)}) {
				if err != nil {
					t.Error(err)
				}
				events = append(events, e)
			}
			calls := deflect.Journeys(slices.Values(events))
			f := deflect.FunnelOf(calls)
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

// TestPollConversationOpensWhileItIsRead lets a poll meet the same: the conversation
// counts at once, and once, and its time is taken when its event is told.
func TestPollConversationOpensWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := deflecttest.New(keys)
		api.SetReport(deflecttest.Report{
			Filter:       deflecttest.ByEvent,
			Conversation: func(deflecttest.Deflection) (time.Duration, bool) { return 61 * time.Second, true },
		})
		registry := prometheus.NewRegistry()
		c := newClient(t, api, func(c *deflect.Config) {
			c.Registerer, c.Report.Every, c.Report.Lookback = registry, time.Minute, 2*time.Minute
			c.Report.Window, c.Report.Parallel = time.Minute, 1
		})
		go c.PollReport(t.Context())
		time.Sleep(time.Minute)
		k := call()
		k.Start, k.Accepted = time.Now(), time.Now()
		if _, err := c.Deflect(t.Context(), k); err != nil { // at the seam of the next poll
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		api.InjectReport(deflecttest.Fault{Delay: 10 * time.Second})
		time.Sleep(75 * time.Second)
		if got := funnelMetrics(t, registry); !strings.Contains(got, "conversationid 1, ") || !strings.Contains(got, "conversation_seconds 0/") {
			t.Errorf("after the poll that saw it open: %s", got)
		}
		time.Sleep(3 * time.Minute)
		if got := funnelMetrics(t, registry); !strings.Contains(got, "conversationid 1, ") || !strings.Contains(got, "conversation_seconds 1/61s") || !strings.Contains(got, "sendtext 1, ") {
			t.Errorf("after later polls: %s", got)
		}
	})
}
