//go:build unix

package main

import (
	"encoding/pem"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// Thousands call while the API fails in every way, and deflectd is killed again and again:
// each call goes on, nobody is texted twice, and in the end it is known who was.
func TestKilledAgainAndAgain(t *testing.T) {
	killAgainAndAgain(t, 2000, 10, nil)
}

// killAgainAndAgain makes calls of half as many callers, and kills deflectd about every two
// seconds of them. In each life there is trouble, unless that is nil.
func killAgainAndAgain(t *testing.T, calls, kills int, trouble func(l *lives, random *rand.Rand)) {
	t.Parallel()
	const every = 2 * time.Second
	random := rand.New(rand.NewPCG(16, uint64(calls)))
	faults := &faults{random: rand.New(rand.NewPCG(17, uint64(calls)))}
	api := newWatchedAPI(livedeflecttest.Config{FaultFor: faults.strike})
	faults.api = api
	l := newLives(t, api, api.serve(t), 8*time.Second)
	l.start()

	var all sync.WaitGroup
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		random := rand.New(rand.NewPCG(18, uint64(calls)))
		tick := time.NewTicker(time.Duration(kills) * every / time.Duration(calls))
		defer tick.Stop()
		for i := range calls {
			<-tick.C
			number, dialed, again := caller(random.IntN(calls/2)), hourly, random.IntN(2) == 0
			if i%4 == 0 {
				dialed = always
			}
			all.Go(func() {
				// A dialplan may ask once more for a call that deflectd left.
				if vars := l.call(i, number, dialed); again && (vars["deflect_outcome"] == "" || vars["deflect_reason"] == "internal") {
					time.Sleep(300 * time.Millisecond)
					l.call(i, number, dialed)
				}
			})
		}
	}()

	hit := map[string]int{}
	for n := range kills {
		if trouble != nil {
			trouble(l, random)
		}
		time.Sleep(every/2 + rand.N(every/2))
		l.await(n%4, 500*time.Millisecond)
		for _, m := range l.kill() {
			hit[m.at]++
			if m.waited {
				hit["while a waiting text goes out"]++
			}
		}
		l.start()
	}
	<-fed
	faults.over.Store(true)
	all.Wait()
	l.untilSettled()
	l.stop()
	l.settled()

	texted := map[string]bool{}
	for _, d := range api.double.Sent() {
		texted[d.ExternalCallID] = true
	}
	outcomes, later := map[string]int{}, 0
	for id, c := range l.calls {
		vars := c.vars[len(c.vars)-1]
		outcomes[vars["deflect_outcome"]+" "+vars["deflect_reason"]]++
		if vars["deflect_outcome"] == "deferred" && texted[id] {
			later++ // in another life: no text is tried again before that
		}
	}
	t.Logf("texted %d, %d of them after they had waited; killed %v; told %v", len(texted), later, hit, outcomes)
	if hit[whileOut] == 0 || hit[beforeRecorded] == 0 || later == 0 || len(texted) < calls/8 {
		t.Error("it was no such test")
	}
}

// await waits a while for a moment to kill at.
func (l *lives) await(kind int, most time.Duration) {
	l.api.mu.Lock()
	answered := l.api.answered
	l.api.mu.Unlock()
	is := func() bool {
		l.api.mu.Lock()
		defer l.api.mu.Unlock()
		switch kind {
		case 1:
			return l.api.answered > answered
		case 2, 3:
			for _, r := range l.api.requests {
				if r.out > 0 && (kind == 2 || r.tries > 1 && r.last.Sub(r.first) > 3*time.Second) {
					return true
				}
			}
			return false
		}
		return true // any moment
	}
	for end := time.Now().Add(most); !is() && time.Now().Before(end); {
		time.Sleep(500 * time.Microsecond)
	}
}

// faults are those of the API, by chance.
type faults struct {
	api  *watchedAPI
	over atomic.Bool // all is well from now on

	mu     sync.Mutex
	random *rand.Rand
}

func (f *faults) strike(d livedeflecttest.Deflection) (livedeflecttest.Fault, bool) {
	if f.over.Load() {
		return livedeflecttest.Fault{}, true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delay := time.Duration(f.random.IntN(150)) * time.Millisecond
	fault := livedeflecttest.Fault{Delay: delay}
	switch n := f.random.IntN(100); {
	case n < 45:
	case n < 60:
		fault.Status = http.StatusTooManyRequests
	case n < 65:
		fault.Status = http.StatusServiceUnavailable
	case n < 70:
		fault.Status, fault.StatusAfterProcessing = http.StatusBadGateway, true
	case n < 75:
		fault.ResetBefore = true
	case n < 80:
		fault.ResetAfter = true
	case n < 84:
		fault.Garbage = true
	case n < 88:
		fault.Truncate = true
	case n < 91:
		fault.Hang = true
	case n < 94:
		fault.HangAfterProcessing = true
	case n < 96:
		fault.DeliveredTwice = true
	case n < 98:
		fault.InvalidNonce = true
	case f.api.before(d.ExternalCallID) < 3*time.Second:
		fault.SuccessFalse = true // which ends a text that waited, although it was promised
	}
	return fault, true
}

// A kill at each moment of a text's way: it is never sent again, and it is settled what
// became of it.
func TestKilledAtEachMoment(t *testing.T) {
	t.Parallel()
	t.Run(beforeRequest, func(t *testing.T) {
		t.Parallel()
		if runtime.GOOS != "linux" {
			t.Skip("deflectd cannot be told to trust a test's certificate here")
		}
		// A server that takes connections and says nothing: no byte of the request leaves.
		api := newWatchedAPI(livedeflecttest.Config{})
		server := httptest.NewUnstartedServer(api)
		mute := &muteListener{Listener: server.Listener, came: make(chan struct{}, 100), speak: make(chan struct{})}
		server.Listener = mute
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		certificate := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		l := newLives(t, api, server.URL, 3*time.Second)
		l.env = []string{"SSL_CERT_FILE=" + certificate}
		l.killedAt(t, beforeRequest, false, deflect.Uncertain, func() { <-mute.came }, func() { close(mute.speak) })
	})
	for _, tt := range []struct {
		name      string
		processed bool
		waited    bool
		end       deflect.Outcome
	}{
		{name: "while it is out, and not processed", end: deflect.Uncertain},
		{name: "while it is out, and processed", processed: true, end: deflect.Sent},
		{name: "while a waiting text goes out, and is not processed", waited: true, end: deflect.Uncertain},
		{name: "while a waiting text goes out, and is processed", waited: true, processed: true, end: deflect.Sent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			came := make(chan struct{}, 100)
			var requests atomic.Int32
			api := newWatchedAPI(livedeflecttest.Config{FaultFor: func(livedeflecttest.Deflection) (livedeflecttest.Fault, bool) {
				if requests.Add(1) == 1 && tt.waited {
					return livedeflecttest.Fault{Status: http.StatusTooManyRequests}, true
				}
				came <- struct{}{}
				return livedeflecttest.Fault{Hang: !tt.processed, HangAfterProcessing: tt.processed}, true
			}})
			l := newLives(t, api, api.serve(t), 3*time.Second)
			l.killedAt(t, whileOut, tt.waited, tt.end, func() {
				<-came
				l.until("the request is known", func() bool { return len(api.double.Requests()) == int(requests.Load()) })
			}, func() {})
		})
	}
	t.Run(beforeRecorded, func(t *testing.T) {
		t.Parallel()
		api := newWatchedAPI(livedeflecttest.Config{})
		l := newLives(t, api, api.serve(t), 3*time.Second)
		sent := make(chan struct{}, 100)
		l.hears = func(file string) {
			if strings.HasSuffix(file, "/sent.wav") {
				sent <- struct{}{}
			}
		}
		// What became of a text is on the disk a tenth of a second later.
		for i := range 20 {
			l.start()
			var call sync.WaitGroup
			call.Go(func() { l.call(i, caller(i), hourly) })
			<-sent
			open := l.kill()
			call.Wait()
			if open[callID(i)].at == beforeRecorded {
				l.goesOn(t, i, deflect.Sent)
				return
			}
		}
		t.Error("no kill came before the answer was recorded")
	})
}

// killedAt kills when a text is where came says, and lets go on what held it then.
func (l *lives) killedAt(t *testing.T, at string, waited bool, end deflect.Outcome, came, goOn func()) {
	t.Helper()
	l.start()
	told := make(chan map[string]string, 1)
	go func() { told <- l.call(1, caller(1), hourly) }()
	if waited {
		if vars := <-told; vars["deflect_outcome"] != "deferred" {
			t.Fatalf("the caller is told %v", vars)
		}
		// It waits across a kill, too.
		if open := l.kill(); len(open) > 0 {
			t.Errorf("of a text that waits: %v", open)
		}
		l.start()
	}
	came()
	if open := l.kill(); open[callID(1)] != (moment{at, waited}) {
		t.Errorf("killed at %v, want %q, waited %v", open, at, waited)
	}
	if !waited {
		if vars := <-told; vars["deflect_outcome"] != "uncertain" || vars["deflect_reason"] != "internal" {
			t.Errorf("the caller is told %v", vars)
		}
	}
	goOn()
	l.goesOn(t, 1, end)
}

// goesOn starts deflectd again, and looks at how the text of a call ends.
func (l *lives) goesOn(t *testing.T, id int, end deflect.Outcome) {
	t.Helper()
	l.start()
	// The same call, where no cooldown is in the way, and another one of the same caller.
	if vars := l.call(id, caller(id), always); vars["deflect_outcome"] != "uncertain" && vars["deflect_outcome"] != string(end) {
		t.Errorf("the same call is told %v", vars)
	}
	if vars := l.call(id+1000, caller(id), hourly); vars["deflect_outcome"] != "ineligible" || vars["deflect_reason"] != "cooldown" {
		t.Errorf("another call of the caller is told %v", vars)
	}
	l.untilSettled()
	l.stop()
	l.settled()
	if e := l.journal().find(callID(id)); e.State != deflect.Ended || e.Outcome != end {
		t.Errorf("the journal says %s, %s (%s), want %s", e.State, e.Outcome, e.Reason, end)
	}
}

// muteListener lets nothing be read from connections until it may speak.
type muteListener struct {
	net.Listener
	came  chan struct{}
	speak chan struct{}
}

func (m *muteListener) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case m.came <- struct{}{}:
	default:
	}
	return muteConn{c, m.speak}, nil
}

type muteConn struct {
	net.Conn
	speak chan struct{}
}

func (c muteConn) Read(p []byte) (int, error) {
	<-c.speak
	return c.Conn.Read(p)
}
