package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// moment is one line of a story.
type moment struct {
	at        time.Duration
	who, what string
}

// tell merges what the switch, the API and deflectd saw of one call.
func tell(began time.Time, sc scene, seen sighting, requests []exchange, log []slog.Record) string {
	moments := []moment{{who: "caller", what: "dials " + demoDialed + ", from " + sc.from}}
	for _, e := range seen.timeline {
		if m, ok := seenBySwitch(e, seen.vars); ok {
			moments = append(moments, m)
		}
	}
	for _, p := range seen.played {
		if !sc.press && p.File == "ivr/offer.wav" {
			moments = append(moments, moment{p.At + p.For, "caller", "has heard it, and presses nothing"})
		}
	}
	for _, q := range requests {
		moments = append(moments, moment{q.at.Sub(began), "deflectd", q.what})
	}
	for _, record := range log {
		if record.Message == "request ended" {
			who := "LiveDeflect"
			if attrs(record)["call"] == "eligibility" || len(requests) > 0 && strings.HasPrefix(requests[0].what, "-> C2M") {
				who = "C2M"
			}
			moments = append(moments, moment{record.Time.Sub(began), who, answered(record, requests, who)})
		}
	}
	if seen.stays {
		last := seen.timeline[len(seen.timeline)-1]
		moments = append(moments, moment{last.At, "caller", "waits on in the queue"})
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	var b strings.Builder
	for i, m := range moments {
		if slices.ContainsFunc(moments[:i], func(o moment) bool { return o.who == m.who && o.what == m.what }) {
			continue // said when it happened first
		}
		fmt.Fprintf(&b, "   %6.3fs  %-11s  %s\n", m.at.Seconds(), m.who, m.what)
	}
	return b.String()
}

// seenBySwitch turns a line of the switch into one of the story; some lines say
// nothing to a newcomer.
func seenBySwitch(e freeswitchtest.Entry, vars map[string]string) (moment, bool) {
	m := moment{at: e.At, who: "FreeSWITCH", what: e.Text}
	switch rest, byCaller := strings.CutPrefix(e.Text, "caller "); {
	case byCaller:
		m.who, m.what = "caller", rest
	case strings.HasPrefix(e.Text, "plays "):
		m.what = fmt.Sprintf("plays %q", demoWords[strings.TrimPrefix(e.Text, "plays ")])
	case e.Text == "the call waits":
		m.what = "lets the caller wait in the queue, with music"
	case strings.HasPrefix(e.Text, "announces "):
		m.who, m.what = "its queue", fmt.Sprintf("plays %q", demoWords["ivr/offer.wav"])
	case strings.HasPrefix(e.Text, "a program sends the call to "):
		m.what = "takes the caller out of the queue, to " + strings.TrimPrefix(e.Text, "a program sends the call to ")
	case strings.HasPrefix(e.Text, "a program sets deflect_outcome="):
		m.what = "has the variable deflect_outcome=" + vars["deflect_outcome"] + " (" + vars["deflect_reason"] + ")"
	case strings.HasPrefix(e.Text, "a program "),
		strings.HasPrefix(e.Text, "sets "), strings.HasPrefix(e.Text, "unsets "), strings.Contains(e.Text, " ends after "),
		e.Text == "asked to let the dialplan go on", e.Text == "the call was given back":
		return moment{}, false // the line that follows tells it
	case strings.Contains(e.Text, "dialplan goes on"):
		m.what += ": deflect_outcome=" + vars["deflect_outcome"] + " (" + vars["deflect_reason"] + ")"
	}
	return m, true
}

// answered says what came of a request.
func answered(record slog.Record, requests []exchange, who string) string {
	v := attrs(record)
	if who == "C2M" && len(requests) > 0 {
		return answeredC2M(v, requests[len(requests)-1].callID)
	}
	if len(requests) == 0 || v["outcome"] != string(deflect.Sent) {
		return fmt.Sprintf("-> deflectd %s: %s, %s", v["status"], v["outcome"], v["reason"])
	}
	return fmt.Sprintf("-> deflectd %s: text sent, callId %s", v["status"], requests[len(requests)-1].callID)
}

func attrs(r slog.Record) map[string]string {
	v := map[string]string{}
	r.Attrs(func(a slog.Attr) bool { v[a.Key] = a.Value.String(); return true })
	return v
}

// notebook keeps what deflectd logs.
type notebook struct {
	mu    sync.Mutex
	notes []slog.Record
	added chan struct{} // something was added
}

func newNotebook() *notebook { return &notebook{added: make(chan struct{}, 1)} }

// await waits for a line of the log. A context that ends ends it.
func (n *notebook) await(ctx context.Context, message string) (slog.Record, error) {
	for {
		for _, r := range n.records() {
			if r.Message == message {
				return r, nil
			}
		}
		select {
		case <-n.added:
		case <-ctx.Done():
			return slog.Record{}, fmt.Errorf("wait for the log line %q: %w", message, ctx.Err())
		}
	}
}

// Enabled takes everything.
func (*notebook) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps a record.
func (n *notebook) Handle(_ context.Context, r slog.Record) error {
	n.mu.Lock()
	n.notes = append(n.notes, r.Clone())
	n.mu.Unlock()
	select {
	case n.added <- struct{}{}:
	default:
	}
	return nil
}

// WithAttrs keeps nothing but the records.
func (n *notebook) WithAttrs([]slog.Attr) slog.Handler { return n }

// WithGroup keeps nothing but the records.
func (n *notebook) WithGroup(string) slog.Handler { return n }

func (n *notebook) clear() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = nil
}

func (n *notebook) records() []slog.Record {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.notes)
}
