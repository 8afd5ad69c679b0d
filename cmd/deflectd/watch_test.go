//go:build unix

package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// Two daemons watch one switch, and one is killed while it answers keys: within ten seconds
// the other one answers those callers, and nobody is texted twice.
func TestFleetWatcherKilled(t *testing.T) {
	t.Parallel()
	sw := &freeswitchtest.Switch{Password: "opensesame-switch"}
	if err := sw.Start(); err != nil {
		t.Fatal(err)
	}
	defer sw.Stop()
	api := newWatchedAPI(livedeflecttest.Config{})
	api.double.SetFault(&livedeflecttest.Fault{Delay: time.Second})
	redis := fleettest.Start(t)
	f := &fleet{t: t, api: api}
	key := t.TempDir() + "/key"
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := api.serve(t)
	for range 2 {
		l := newLives(t, api, url, 8*time.Second)
		l.env = append(l.env, "DEFLECT_FREESWITCH_PASSWORD_FS1=opensesame-switch")
		l.more(fmt.Sprintf("redis: {url: %q, key_file: %q, timeout: 1s}\n", "redis://"+redis.Addr, key))
		text, err := os.ReadFile(l.config)
		if err != nil {
			t.Fatal(err)
		}
		watching := strings.Replace(string(text), "freeswitch: {", fmt.Sprintf("freeswitch: {inbound: [{name: fs1, address: %q}], ", sw.Addr()), 1)
		if err := os.WriteFile(l.config, []byte(watching), 0o600); err != nil {
			t.Fatal(err)
		}
		l.start()
		l.until("it watches the switch", func() bool { status, _ := l.get("/readyz?inbound"); return status == http.StatusOK })
		f.daemons = append(f.daemons, l)
	}

	waiting := map[string]*freeswitchtest.Waiting{}
	for i := range 20 {
		id := fmt.Sprintf("waits-%d", i)
		w := sw.Park(freeswitchtest.Call{UUID: id, ANI: caller(i), DNIS: "+18005550100"})
		w.Announce()
		w.Press("1")
		waiting[id] = w
	}
	time.Sleep(700 * time.Millisecond) // requests are on their way
	dies, lives := f.daemons[0], f.daemons[1]
	if active(lives) > active(dies) {
		dies, lives = lives, dies
	}
	dies.kill()
	time.Sleep(10 * time.Second)
	again := 0
	for _, w := range waiting {
		if w.Result().Vars["deflect_outcome"] != "sent" {
			w.Press("1")
			again++
		}
	}
	for id, w := range waiting {
		lives.until(id+" is answered", func() bool {
			vars := w.Result().Vars
			return vars["deflect_outcome"] == "sent" || vars["deflect_reason"] == "already_asked"
		})
	}
	texts := map[string]int{}
	for _, sent := range api.double.Sent() {
		if texts[sent.ExternalCallID]++; texts[sent.ExternalCallID] > 1 {
			t.Errorf("%s has a second text", sent.ExternalCallID)
		}
	}
	t.Logf("%d of %d callers were answered by who died, %d texts", again, len(waiting), len(texts))
	if again == 0 {
		t.Error("it was no such test")
	}
	lives.stop()
}

// active is how many calls a daemon deals with.
func active(l *lives) (n int) {
	_, body := l.get("/metrics")
	_, value, _ := strings.Cut(body, "\ndeflect_freeswitch_calls_active ")
	fmt.Sscan(value, &n)
	return n
}
