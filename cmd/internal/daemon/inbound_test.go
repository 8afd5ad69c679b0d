package daemon

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Over TCP and the library that is used in earnest: a caller in a queue is
// texted, readiness tells which switch is away, and a stop leaves the calls alone.
func TestWaitingCallerIsTexted(t *testing.T) {
	sw := &freeswitchtest.Switch{Password: "opensesame-switch", Prompts: map[string]time.Duration{"sent.wav": 20 * time.Millisecond}}
	if err := sw.Start(); err != nil {
		t.Fatal(err)
	}
	defer sw.Stop()
	b := start(t, func(o *Options) {
		fs := &o.Config.FreeSWITCH
		fs.Inbound = []freeswitch.Switch{{Name: "fs1", Address: sw.Addr(), Password: deflect.NewSecret("opensesame-switch")}}
		fs.Profiles[0].Prompts.Sent = "sent.wav"
	})
	b.log.await("watching switch")
	for _, path := range []string{"/readyz", "/readyz?inbound", "/-/ready?inbound"} {
		if status, body := b.get(path); status != http.StatusOK || body != "ok\n" {
			t.Errorf("%s = %d %q", path, status, body)
		}
	}

	call := freeswitchtest.Call{ANI: caller, DNIS: dialed, Vars: map[string]string{"deflect_info_Plan": "Gold"}}
	w := sw.Park(call)
	w.Announce()
	w.Press("1")
	b.log.await("call ended")
	sent := b.api.Sent()
	if len(sent) != 1 || !strings.Contains(string(sent[0].CallerInfo), `"Plan"`) {
		t.Errorf("texts %+v", sent)
	}
	sw.Drop()
	b.log.await("switch is away: no offers there until it is back, its calls go on")
	b.log.await("watching switch") // again
	port := sw.Addr()
	sw.Stop()
	b.log.await("switch is away: no offers there until it is back, its calls go on")
	// The calls that are handed over are served all the same.
	if status, body := b.get("/readyz"); status != http.StatusOK || body != "ok\nfreeswitch away: fs1\n" {
		t.Errorf("/readyz = %d %q", status, body)
	}
	if status, body := b.get("/readyz?inbound"); status != http.StatusServiceUnavailable || body != "freeswitch away: fs1\n" {
		t.Errorf("/readyz?inbound = %d %q", status, body)
	}
	if err := sw.Start(); err != nil || sw.Addr() != port {
		t.Fatalf("%v, %s", err, sw.Addr())
	}
	b.log.await("watching switch")
	waiting := sw.Park(call)
	waiting.Announce()

	b.stop()
	if err := b.finish(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if r := waiting.Result(); r.HungUp || r.Transferred != "" || len(r.Played) > 0 || r.Vars["deflect_outcome"] != "" {
		t.Errorf("the stop touched a call that waits: %+v", r)
	}
	if !strings.Contains(b.log.text(), `"watching":["fs1"]`) {
		t.Errorf("the line at the start does not name the switch:\n%s", b.log.text())
	}
	if bad := sw.Violations(); len(bad) > 0 {
		t.Errorf("%q", bad)
	}
}

// A switch that does not let us in: the log says why, and it is tried again.
func TestInboundRefused(t *testing.T) {
	for want, sw := range map[string]*freeswitchtest.Switch{
		"refuses the password of its event socket": {Password: "other"},
		"apply-inbound-acl":                        {Refuse: true},
	} {
		if err := sw.Start(); err != nil {
			t.Fatal(err)
		}
		defer sw.Stop()
		b := start(t, func(o *Options) {
			o.Config.FreeSWITCH.Inbound = []freeswitch.Switch{{Name: "fs1", Address: sw.Addr(), Password: deflect.NewSecret("opensesame-switch")}}
		})
		b.log.await("switch is away: no offers there until it is back, its calls go on")
		if said := b.log.text(); !strings.Contains(said, want) {
			t.Error(said)
		}
		b.stop()
		if err := b.finish(); err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}
