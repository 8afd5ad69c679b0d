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
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// Thousands call while the API fails in every way, and deflectd is killed again and again:
// each call goes on, nobody is texted twice, and in the end it is known who was.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Run("livedeflect", func(t *testing.T) { killAgainAndAgain(t, failingLiveDeflect, 2000, 10, nil) })
	t.Run("c2m", func(t *testing.T) {
		calls, kills := 600, 4 // twice as much for a call
		if *fullFleet {
			calls, kills = 2000, 12
		}
		killAgainAndAgain(t, failingC2M, calls, kills, func(l *lives, _ *rand.Rand) {
			time.AfterFunc(700*time.Millisecond, l.api.c2m.ExpireTokens)
			if len(l.logs) > 0 { // what it told in the first life is kept
				l.api.c2m.SetFault(c2mtest.CallDomain, &c2mtest.Fault{Status: http.StatusServiceUnavailable})
			}
		})
	})
}

// failingLiveDeflect and failingC2M are APIs that fail by chance.
func failingLiveDeflect(_ *testing.T, f *faults) *watchedAPI {
	f.api = newWatchedAPI(livedeflecttest.Config{FaultFor: f.strike})
	return f.api
}

func failingC2M(t *testing.T, f *faults) *watchedAPI {
	f.api = newWatchedC2M(t, c2mtest.Config{FaultFor: f.strikeC2M})
	return f.api
}

// killAgainAndAgain makes calls of half as many callers, one of nine of whom presses no key,
// and kills deflectd about every two seconds of them. In each life there is trouble, unless
// that is nil.
func killAgainAndAgain(t *testing.T, newAPI func(*testing.T, *faults) *watchedAPI, calls, kills int, trouble func(l *lives, random *rand.Rand)) {
	t.Parallel()
	const every = 2 * time.Second
	random := rand.New(rand.NewPCG(16, uint64(calls)))
	faults := &faults{random: rand.New(rand.NewPCG(17, uint64(calls)))}
	api := newAPI(t, faults)
	l := newLives(t, api, api.serve(t), 8*time.Second)
	l.silent = func(id int) bool { return id%9 == 8 }
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
	if t.Failed() {
		l.tellOfWaiting(0)
	}

	texted := api.sent()
	outcomes, later := map[string]int{}, 0
	for id, c := range l.calls {
		vars := c.vars[len(c.vars)-1]
		outcomes[vars["deflect_outcome"]+" "+vars["deflect_reason"]]++
		if vars["deflect_outcome"] == "deferred" && texted[id] != "" {
			later++ // in another life: no text is tried again before that
		}
	}
	t.Logf("texted %d, %d of them after they had waited; killed %v; told %v; in doubt %d", len(texted), later, hit, outcomes, len(l.journal().texts))
	if hit[whileOut] == 0 || api.c2m == nil && trouble == nil && hit[beforeRecorded] == 0 || later == 0 || len(texted) < calls/8 {
		t.Error("it was no such test")
	}
}

// await waits a while for a moment to kill at.
func (l *lives) await(kind int, most time.Duration) {
	answered := l.api.answers()
	is := func() bool {
		switch kind {
		case 1:
			return l.api.answers() > answered
		case 2, 3:
			for _, r := range l.api.look() {
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
		killedBeforeRecorded(t, newWatchedAPI(livedeflecttest.Config{}))
	})
}

func killedBeforeRecorded(t *testing.T, api *watchedAPI) {
	l := newLives(t, api, api.serve(t), 3*time.Second)
	sent := make(chan struct{}, 100)
	l.hears = func(file string) {
		if strings.HasSuffix(file, "/sent.wav") {
			sent <- struct{}{}
		}
	}
	// What became of a text is on the disk a tenth of a second later. On a busy machine that
	// can be before the caller hears of it.
	for i := range 20 {
		l.start()
		var call sync.WaitGroup
		before := api.answers()
		call.Go(func() { l.call(i, caller(i), hourly) })
		if i%2 == 0 {
			<-sent
		} else {
			l.until("it is answered", func() bool { return api.answers() > before })
		}
		open := l.kill()
		call.Wait()
		for len(sent) > 0 {
			<-sent
		}
		if open[callID(i)].at == beforeRecorded {
			l.goesOn(t, i, deflect.Sent)
			return
		}
	}
	t.Error("no kill came before the answer was recorded")
}

// The same with Connect to Messaging, which is asked before there is an offer, and whose
// report finds a text by what that told.
func TestKilledAtEachMomentOfC2M(t *testing.T) {
	t.Parallel()
	const offered = "between eligibility and the key press"
	for _, at := range []string{whileAsked, offered} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			came := make(chan struct{}, 100)
			var over atomic.Bool
			api := newWatchedC2M(t, c2mtest.Config{FaultFor: func(a c2mtest.Asked) (c2mtest.Fault, bool) {
				if a.Call != c2mtest.CallEligibility || at != whileAsked || over.Load() {
					return c2mtest.Fault{}, false
				}
				came <- struct{}{}
				return c2mtest.Fault{Hang: true}, true
			}})
			l := newLives(t, api, api.serve(t), 3*time.Second)
			l.silent = func(int) bool { return !over.Load() }
			l.hears = func(string) {
				if at == offered {
					came <- struct{}{}
				}
			}
			l.start()
			var call sync.WaitGroup
			call.Go(func() { l.call(1, caller(1), hourly) })
			<-came
			want := moment{}
			if at == whileAsked {
				want.at = at
			}
			if open := l.kill(); open[callID(1)] != want {
				t.Errorf("killed at %v, want %v", open, want)
			}
			call.Wait()
			if n := len(api.askedFor()); n > 0 {
				t.Errorf("%d texts were asked for", n)
			}
			// Nothing is left of it: whoever is asked once more can have the text.
			over.Store(true)
			l.hears = nil
			l.start()
			if vars := l.call(1, caller(1), hourly); vars["deflect_outcome"] != "sent" {
				t.Errorf("then the caller is told %v", vars)
			}
			l.ends(t, 1, deflect.Sent)
			if n := len(api.askedFor()); n != 1 {
				t.Errorf("%d texts were asked for", n)
			}
		})
	}
	for _, tt := range []struct {
		name   string
		waited bool
		fault  c2mtest.Fault // what the invite meets
		end    deflect.Outcome
	}{
		{name: "while the invite is out, and not processed", fault: c2mtest.Fault{Hang: true}, end: deflect.Uncertain},
		{name: "while the invite is out, and processed", fault: c2mtest.Fault{HangAfterProcessing: true}, end: deflect.Sent},
		{name: "while a waiting invite is out, and not processed", waited: true, fault: c2mtest.Fault{Hang: true}, end: deflect.Uncertain},
		{name: "while a waiting invite is out, and processed", waited: true, fault: c2mtest.Fault{HangAfterProcessing: true}, end: deflect.Sent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			came := make(chan struct{}, 100)
			var invites atomic.Int32
			api := newWatchedC2M(t, c2mtest.Config{FaultFor: func(a c2mtest.Asked) (c2mtest.Fault, bool) {
				switch {
				case a.Call != c2mtest.CallInvite:
					return c2mtest.Fault{}, false
				case invites.Add(1) == 1 && tt.waited:
					return c2mtest.Fault{Status: http.StatusTooManyRequests}, true
				}
				came <- struct{}{}
				return tt.fault, true
			}})
			l := newLives(t, api, api.serve(t), 3*time.Second)
			l.killedAt(t, whileOut, tt.waited, tt.end, func() {
				<-came
				l.until("the request is known", func() bool { return len(api.askedFor()) == int(invites.Load()) })
			}, func() {})
		})
	}
	t.Run("while a waiting text is asked for", func(t *testing.T) {
		t.Parallel()
		came := make(chan struct{}, 100)
		var asked atomic.Int32
		api := newWatchedC2M(t, c2mtest.Config{FaultFor: func(a c2mtest.Asked) (c2mtest.Fault, bool) {
			switch {
			case a.Call == c2mtest.CallInvite && asked.Load() == 1:
				return c2mtest.Fault{Status: http.StatusTooManyRequests}, true
			case a.Call == c2mtest.CallEligibility && asked.Add(1) == 2:
				came <- struct{}{}
				return c2mtest.Fault{Hang: true}, true
			}
			return c2mtest.Fault{}, false
		}})
		l := newLives(t, api, api.serve(t), 3*time.Second)
		l.start()
		if vars := l.call(1, caller(1), hourly); vars["deflect_outcome"] != "deferred" {
			t.Fatalf("the caller is told %v", vars)
		}
		<-came
		time.Sleep(300 * time.Millisecond) // what was taken by now is on the disk
		if open := l.kill(); open[callID(1)] != (moment{whileAsked, true}) {
			t.Errorf("killed at %v", open)
		}
		// It is still promised.
		l.start()
		l.ends(t, 1, deflect.Sent)
	})
	t.Run("while a doubt is looked up", func(t *testing.T) {
		t.Parallel()
		came := make(chan struct{}, 100)
		var invites, lookups atomic.Int32
		api := newWatchedC2M(t, c2mtest.Config{FaultFor: func(a c2mtest.Asked) (c2mtest.Fault, bool) {
			switch {
			case a.Call == c2mtest.CallInvite && invites.Add(1) == 1:
				return c2mtest.Fault{ResetAfter: true}, true
			case a.Call == c2mtest.CallInvite:
				return c2mtest.Fault{ResetBefore: true}, true
			case a.Call == c2mtest.CallTransactions && lookups.Add(1) == 1:
				came <- struct{}{}
				return c2mtest.Fault{Hang: true}, true
			}
			return c2mtest.Fault{}, false
		}})
		l := newLives(t, api, api.serve(t), 3*time.Second)
		l.start()
		for id := range 2 {
			if vars := l.call(id, caller(id), hourly); vars["deflect_outcome"] != "uncertain" {
				t.Errorf("the caller is told %v", vars)
			}
		}
		<-came
		l.kill()
		l.start()
		l.until("both are looked up", func() bool { return lookups.Load() > 2 })
		l.ends(t, 0, deflect.Sent)
		if e := l.journal().find(callID(1)); e.State != deflect.Doubted || e.CallID == "" {
			t.Errorf("the journal says %s (%s) of the text that was not sent", e.State, e.Reason)
		}
	})
	t.Run(beforeRecorded, func(t *testing.T) {
		t.Parallel()
		killedBeforeRecorded(t, newWatchedC2M(t, c2mtest.Config{}))
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
	l.ends(t, id, end)
}

// ends waits until all has come to its end, and looks at how the text of a call did.
func (l *lives) ends(t *testing.T, id int, end deflect.Outcome) {
	t.Helper()
	l.untilSettled()
	l.stop()
	l.settled()
	e := l.journal().find(callID(id))
	if l.api.c2m != nil && end == deflect.Uncertain {
		// Its report proves it much later. What it will be asked for is there.
		if e.State != deflect.Doubted || e.CallID == "" {
			t.Errorf("the journal says %s (%s) of callId %q, want a doubt", e.State, e.Reason, e.CallID)
		}
		return
	}
	if e.State != deflect.Ended || e.Outcome != end {
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
