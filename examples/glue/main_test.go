package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// printed is where the program prints, a line a time.
type printed chan string

func (p printed) Write(b []byte) (int, error) {
	p <- strings.TrimSpace(string(b))
	return len(b), nil
}

// serve runs the program until the tests end (its library cannot be stopped), and
// returns its address and what it prints.
func serve(t *testing.T) (address string, lines printed, api *livedeflecttest.Server) {
	t.Helper()
	api = livedeflecttest.RunT(t, livedeflecttest.Config{ConsumerKey: "k", ConsumerSecret: "s", Token: "t", TokenSecret: "ts"})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = free.Addr().String()
	free.Close()
	lines = make(printed, 10)
	go func() {
		err := run(t.Context(), lines, livedeflect.Config{
			SiteID: "38856538", BaseURL: api.URL(),
			Auth: liveperson.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s"), Token: "t", TokenSecret: deflect.NewSecret("ts")},
		}, address)
		lines <- "ended: " + err.Error()
	}()
	for len(lines) == 0 { // until it listens, or says why not
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close() // a call that ends before it began
			break
		}
	}
	if line := <-lines; !strings.HasPrefix(line, "call:") {
		t.Fatalf("printed %q", line)
	}
	return address, lines, api
}

func TestGlue(t *testing.T) {
	address, lines, api := serve(t)
	prompts := map[string]time.Duration{
		"ivr/sales_1_service_2.wav": 200 * time.Millisecond, "ivrdeflect/en/offer.wav": 200 * time.Millisecond, "ivrdeflect/en/sent.wav": 10 * time.Millisecond,
	}
	callers := 0
	for _, tt := range []struct {
		name, print, outcome string
		texts                int
		script               []freeswitchtest.Action
	}{
		{"sales, and a text", "sales: sent ok", "sent", 1, []freeswitchtest.Action{
			freeswitchtest.PressDuring(1, "1", 20*time.Millisecond), freeswitchtest.PressDuring(2, "1", 100*time.Millisecond),
		}},
		{"sales, and no text", "sales: declined decline_key", "declined", 1, []freeswitchtest.Action{
			freeswitchtest.PressDuring(1, "1", 20*time.Millisecond), freeswitchtest.PressDuring(2, "2", 100*time.Millisecond),
		}},
		{"service", "service", "", 1, []freeswitchtest.Action{freeswitchtest.PressDuring(1, "2", 20*time.Millisecond)}},
	} {
		callers++
		t.Run(tt.name, func(t *testing.T) {
			call := freeswitchtest.Call{ANI: fmt.Sprintf("+1404343864%d", callers), DNIS: "18005550100", SocketResume: true, Prompts: prompts, Script: tt.script}
			res, err := call.Dial(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			if line := <-lines; line != tt.print {
				t.Errorf("printed %q, want %q", line, tt.print)
			}
			// Both ask for the events of the call; the second time, the switch refuses.
			bad := slices.DeleteFunc(res.Violations, func(s string) bool { return strings.Contains(s, "myevents") })
			if res.Vars["deflect_outcome"] != tt.outcome || !res.Continued || len(bad) > 0 {
				t.Errorf("outcome %q, continued %t, violations %q", res.Vars["deflect_outcome"], res.Continued, bad)
			}
			sent := api.Sent()
			if len(sent) != tt.texts || !strings.Contains(string(sent[0].CallerInfo), `"menu":"sales"`) {
				t.Errorf("texts in all: %+v, want %d", sent, tt.texts)
			}
			if took := res.ContinuedAfter; took > time.Second {
				t.Errorf("the dialplan went on after %s", took)
			}
		})
	}
}
