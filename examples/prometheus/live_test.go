//go:build linux

package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// trouble is what an alert is about, as it happens to a deflectd of its own.
type trouble struct {
	edit []string // what is different in the configuration, old and new
	// begin breaks something, and returns what mends it.
	begin func(t *testing.T, d *deflectd) (mend func())
	// profiles says that there is an alert of the profile besides.
	profiles bool
}

var troubles = map[string]trouble{
	"DeflectdDown": {begin: func(t *testing.T, d *deflectd) func() {
		d.kill()
		return func() { d.start(t) }
	}},
	"DeflectdRestarting": {begin: func(t *testing.T, d *deflectd) func() {
		enough, over := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(over)
			for {
				select {
				case <-enough:
					return
				case <-time.After(300 * time.Millisecond): // for a scrape
					d.kill()
					d.start(t)
				}
			}
		}()
		return func() { close(enough); <-over }
	}},
	"DeflectdBreakerOpen":        {begin: fault(livedeflecttest.Fault{Status: 503})},
	"DeflectdTextsFailing":       {profiles: true, begin: fault(livedeflecttest.Fault{SuccessFalse: true})},
	"DeflectdCredentialsRefused": {begin: fault(livedeflecttest.Fault{Status: 401})},
	"DeflectdCallsWithoutOutcome": {begin: func(t *testing.T, d *deflectd) func() {
		d.hangUp()
		return d.hold(t, 1000)
	}},
	"DeflectdDoubtsNotSettling": {edit: []string{"failures: 5", "failures: 1000000", "limit: 1h", "limit: 1s"}, begin: func(_ *testing.T, d *deflectd) func() {
		d.api.SetReportFault(&livedeflecttest.Fault{Status: 404})
		d.api.SetFault(&livedeflecttest.Fault{ResetAfter: true})
		return func() { d.api.SetFault(nil); d.api.SetReportFault(nil) }
	}},
	"DeflectdWaitingTextTooOld": {begin: func(t *testing.T, d *deflectd) func() {
		addr := strings.TrimPrefix(d.api.URL(), "http://")
		d.api.Close()
		return func() {
			if err := d.api.StartAddr(addr); err != nil {
				t.Error(err)
			}
		}
	}},
	"DeflectdDoNotTextNotWhole": {begin: func(t *testing.T, d *deflectd) func() {
		d.write(t, "list", listedNumber+"\nsomebody\n")
		return func() { d.write(t, "list", listedNumber+"\n") }
	}},
	"DeflectdStoreAway": {begin: func(_ *testing.T, d *deflectd) func() {
		d.redis.Refuse(true)
		return func() { d.redis.Refuse(false) }
	}},
	"DeflectdJournalNotWriting": {begin: func(t *testing.T, d *deflectd) func() {
		d.limitFiles(t, 0)
		return func() { d.limitFiles(t, ^uint64(0)) }
	}},
	"DeflectdNoRoom": {edit: []string{"max_calls: 1000", "max_calls: 4"}, begin: func(t *testing.T, d *deflectd) func() {
		return d.hold(t, 8)
	}},
	"DeflectdSwitchAway": {begin: func(t *testing.T, d *deflectd) func() {
		d.sw.Stop()
		return func() {
			if err := d.sw.Start(); err != nil {
				t.Error(err)
			}
		}
	}},
	"DeflectdReloadFailed": {begin: func(t *testing.T, d *deflectd) func() {
		d.reload(t, d.text+"colour: blue\n")
		return func() { d.reload(t, d.text) }
	}},
	"DeflectdLogLinesDropped": {begin: func(t *testing.T, d *deflectd) func() {
		d.log.Close()
		return func() { d.openLog(t); go d.read(d.log) }
	}},
}

// fault lets each request for a text meet a fault.
func fault(f livedeflecttest.Fault) func(*testing.T, *deflectd) func() {
	return func(_ *testing.T, d *deflectd) func() {
		d.api.SetFault(&f)
		return func() { d.api.SetFault(nil) }
	}
}

// limitFiles lets no file of deflectd grow beyond some bytes: a full disk.
func (d *deflectd) limitFiles(t *testing.T, bytes uint64) {
	t.Helper()
	const fileSize = 1 // RLIMIT_FSIZE
	limit := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
	if _, _, no := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(d.cmd.Process.Pid), fileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); no != 0 {
		t.Fatalf("the size of files cannot be limited: %v", no)
	}
}

// Every alert fires when what it is about happens to a deflectd that runs, and clears when
// that is over; a deflectd that is well has none. Every query of the rules and of the
// dashboard returns something on the way.
func TestAlive(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed (Debian: apt install prometheus): no alert is seen to fire")
	}
	text, rules := dividedRules(t)
	binary, redis := buildDeflectd(t), fleettest.Start(t)
	// Only this one has cooldowns of its own to show, beside those in Redis.
	well := newDeflectd(t, binary, redis.Addr, "well", "timeout: 2s", "timeout: 2s, when_away: local")
	daemons := []*deflectd{well}
	for _, r := range rules {
		if r.Alert == "" {
			continue
		}
		if tr, known := troubles[r.Alert]; known {
			daemons = append(daemons, newDeflectd(t, binary, redis.Addr, r.Alert, tr.edit...))
		} else {
			t.Errorf("alert %s: this test does not know how to break what it watches", r.Alert)
		}
	}
	p := startPrometheus(t, prometheus, daemons, text)
	unanswered := p.askUntilAnswered(t, rules)

	// All at once, for most of it is waiting.
	p.awaitEach(t, "is watched", daemons, func(d *deflectd) bool { return p.scrapes(d) > 5 }, nil)
	broken := daemons[1:]
	for _, d := range broken {
		if p.state(d.web, d.name) == "firing" {
			t.Errorf("%s fires while all is well", d.name)
		}
		d.mend = troubles[d.name].begin(t, d)
	}
	p.awaitEach(t, "fires", broken, func(d *deflectd) bool {
		return p.state(d.web, d.name) == "firing" && (!troubles[d.name].profiles || p.state(d.profile(), d.name) == "firing")
	}, func(d *deflectd) { d.mend() })
	p.awaitEach(t, "has cleared", broken, func(d *deflectd) bool { return p.state(d.web, d.name) == "" && p.state(d.profile(), d.name) == "" }, nil)
	for _, r := range rules {
		if p.state(well.web, r.Alert) == "firing" || p.state(well.profile(), r.Alert) == "firing" {
			t.Errorf("%s fires, for a deflectd that is well", r.Alert)
		}
	}
	for _, q := range unanswered() {
		t.Errorf("nothing is returned by the query %s", q)
	}
}
