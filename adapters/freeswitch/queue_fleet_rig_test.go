package freeswitch_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// claims is a store of claims in memory.
type claims struct {
	mu    sync.Mutex
	held  map[string]claimed
	away  map[string]bool // for daemons of these names, or for all: ""
	takes time.Duration

	asked, most int // at once, now and ever
}

type claimed struct {
	by    string
	until time.Time
}

// claimsOf is the store as a daemon has it.
type claimsOf struct {
	*claims
	name string
}

func (c claimsOf) Claim(ctx context.Context, id string, lasts time.Duration) (bool, error) {
	if err := c.ask(ctx); err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if h, ok := c.held[id]; ok && h.by != c.name && now.Before(h.until) {
		return false, nil
	}
	c.held[id] = claimed{c.name, now.Add(lasts)}
	return true, nil
}

func (c claimsOf) Release(ctx context.Context, id string) error {
	if err := c.ask(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[id].by == c.name {
		delete(c.held, id)
	}
	return nil
}

func (c claimsOf) ask(ctx context.Context) error {
	c.mu.Lock()
	away := c.away[c.name] || c.away[""]
	c.asked++
	c.most = max(c.most, c.asked)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.asked--
		c.mu.Unlock()
	}()
	if away {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(c.takes)
	return nil
}

func (c *claims) setAway(name string, away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away[name] = away
}

// fleetRig is several daemons that watch fs1.
type fleetRig struct {
	t       *testing.T
	claims  *claims
	daemons []*member
}

type member struct {
	*watchRig
	name  string
	conns []freeswitch.SwitchConn
}

// inFleetBubble runs a test with two daemons that watch one switch.
func inFleetBubble(t *testing.T, change func(*deflect.Config, *freeswitch.Config), test func(*testing.T, *fleetRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleetRig{t: t, claims: &claims{held: map[string]claimed{}, away: map[string]bool{}, takes: time.Millisecond}}
		f.join(change)
		f.join(change)
		settled()
		test(t, f)
		f.end()
	})
}

// join brings another daemon.
func (f *fleetRig) join(change func(*deflect.Config, *freeswitch.Config)) *member {
	f.t.Helper()
	m := &member{name: fmt.Sprint("daemon-", len(f.daemons))}
	m.watchRig = newWatchRig(f.t, []string{"fs1"}, func(dc *deflect.Config, fc *freeswitch.Config) {
		fc.Claims = claimsOf{f.claims, m.name}
		if change != nil {
			change(dc, fc)
		}
	})
	m.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
		c, err := m.connect(address, password)
		if err == nil {
			m.mu.Lock()
			m.conns = append(m.conns, c)
			m.mu.Unlock()
		}
		return c, err
	})
	own := m.sw("fs1")
	if len(f.daemons) > 0 {
		m.mu.Lock()
		m.switches = f.daemons[0].switches
		m.mu.Unlock()
		own.Stop() // it may have been dialled already
	} else {
		own.Drop()
	}
	f.daemons = append(f.daemons, m)
	return m
}

// cutOff takes a daemon away from the switch and from the claims, as its death does; what
// it has asked the API for goes on.
func (f *fleetRig) cutOff(m *member) {
	m.setDown("fs1", true)
	f.claims.setAway(m.name, true)
	m.mu.Lock()
	conns := m.conns
	m.conns = nil
	m.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// back ends that.
func (f *fleetRig) back(m *member) {
	m.setDown("fs1", false)
	f.claims.setAway(m.name, false)
}

func (f *fleetRig) sw() *fst.Switch { return f.daemons[0].sw("fs1") }

func (f *fleetRig) end() {
	f.t.Helper()
	for _, m := range f.daemons {
		m.stop()
	}
	for _, m := range f.daemons {
		if err := <-m.watched; err != nil {
			f.t.Errorf("Watch: %v", err)
		}
		if n := m.srv.Calls(); n != 0 {
			f.t.Errorf("%d sessions are left", n)
		}
	}
	if bad := append(f.sw().Violations(), f.sw().Expansions()...); len(bad) > 0 {
		f.t.Errorf("%q", bad)
	}
	f.sw().Stop()
	synctest.Wait()
}

// texts are those of all daemons, by the id of the call.
func (f *fleetRig) texts() map[string]int {
	texts := map[string]int{}
	for _, m := range f.daemons {
		for _, s := range m.api.Sent() {
			texts[s.ExternalCallID]++
		}
	}
	return texts
}

func (f *fleetRig) wantTexts(want int) {
	f.t.Helper()
	sum := 0
	for _, n := range f.texts() {
		sum += n
	}
	if sum != want {
		f.t.Errorf("%d texts, want %d", sum, want)
	}
}

// counted are the outcomes of all daemons.
func (f *fleetRig) counted() (all map[string]int, sum int) {
	all = map[string]int{}
	for _, m := range f.daemons {
		for o, n := range outcomes(f.t, m.reg) {
			all[o] += n
			sum += n
		}
	}
	return all, sum
}

func (f *fleetRig) wantCounted(want map[string]int) {
	f.t.Helper()
	synctest.Wait()
	if all, _ := f.counted(); !maps.Equal(all, want) {
		f.t.Errorf("counted %v, want %v", all, want)
	}
}

// queued is a caller who waits and was announced, by the dialplan that is documented.
func (f *fleetRig) queued(change ...func(*fst.Call)) *fst.Waiting {
	w := f.parked(change...)
	offerHere(w, 1, time.Now())
	synctest.Wait()
	return w
}

func (f *fleetRig) parked(change ...func(*fst.Call)) *fst.Waiting {
	call := fst.Call{UUID: "3e0068c6-dcda-4c96-a87d-305d62b539f6", ANI: "+14043438646", DNIS: "18005550100"}
	for _, c := range change {
		c(&call)
	}
	return f.sw().Park(call)
}

// offered is on how many of the daemons calls are on offer, in sum.
func (f *fleetRig) offered() (n int) {
	for _, m := range f.daemons {
		n += series(f.t, m.reg, "deflect_freeswitch_offers")[""]
	}
	return n
}

// over hangs up and checks that nothing is left behind.
func (f *fleetRig) over(calls ...*fst.Waiting) {
	f.t.Helper()
	for _, w := range calls {
		w.HangUp()
	}
	time.Sleep(6 * time.Minute)
	for _, m := range f.daemons {
		m.forgotten()
	}
}

// late has a daemon hear of everything later.
func (m *member) late(by time.Duration) {
	m.mu.Lock()
	inner, n := m.instead, 0
	m.mu.Unlock()
	m.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
		c, err := inner(address, password)
		if n++; err == nil && n == 2 { // the one for events
			return newLate(c, by), nil
		}
		return c, err
	})
	m.reconnect()
}

func (m *member) reconnect() {
	m.mu.Lock()
	conns := m.conns
	m.conns = nil
	m.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
	settled()
}

// slowly makes a daemon's commands take a time.
func (m *member) slowly(d time.Duration) {
	m.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
		c, err := m.connect(address, password)
		if err != nil {
			return c, err
		}
		s := slowCommands{c, d}
		m.mu.Lock()
		m.conns = append(m.conns, s)
		m.mu.Unlock()
		return s, nil
	})
	m.reconnect()
}

type slowCommands struct {
	freeswitch.SwitchConn
	by time.Duration
}

func (c slowCommands) Send(command string) (freeswitch.Reply, error) {
	time.Sleep(c.by / 2)
	r, err := c.SwitchConn.Send(command)
	time.Sleep(c.by / 2)
	return r, err
}

func (c *claims) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.held)
}

// steal gives all claims to somebody else.
func (c *claims) steal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, h := range c.held {
		c.held[id] = claimed{"thief", h.until}
	}
}
