package freeswitch_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// claims is a store of claims in memory.
type claims struct {
	mu    sync.Mutex
	held  map[string]claimed
	away  map[string]bool // for daemons of these names, or for all: ""
	takes time.Duration
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
	c.mu.Unlock()
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

// Whatever two daemons see, one of them answers: one text, one prompt, one count.
func TestFleetOneAnswers(t *testing.T) {
	tests := []struct {
		name    string
		do      func(*fst.Waiting)
		counted string
		texts   int
		prompts []string
	}{
		{"accept", func(w *fst.Waiting) { w.Press("1") }, "sent ok", 1, []string{"sent.wav"}},
		{"accept twice", func(w *fst.Waiting) { w.Press("11") }, "sent ok", 1, []string{"sent.wav"}},
		{"other keys first", func(w *fst.Waiting) { w.Press("471") }, "sent ok", 1, []string{"sent.wav"}},
		{"decline", func(w *fst.Waiting) { w.Press("2") }, "declined decline_key", 0, nil},
		{"decline, then accept", func(w *fst.Waiting) { w.Press("2"); settled(); w.Press("1") }, "declined decline_key", 0, nil},
		{"hang-up", (*fst.Waiting).HangUp, "abandoned hangup", 0, nil},
		{"accept and hang-up", func(w *fst.Waiting) { w.Press("1"); w.HangUp() }, "sent ok", 1, nil},
		{"withdrawn", func(w *fst.Waiting) { w.Set("deflect_offer", "false"); w.Withdraw() }, "no_input no_key", 0, nil},
		{"an agent", func(w *fst.Waiting) { w.Agent("callcenter") }, "no_input no_key", 0, nil},
		{"an agent, too", func(w *fst.Waiting) { w.Agent("fifo") }, "no_input no_key", 0, nil},
		{"in another menu", func(w *fst.Waiting) { w.Transfer("voicemail"); w.Press("1") }, "no_input no_key", 0, nil},
	}
	for _, tt := range tests {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dialplan without variables %t", tt.name, plain), func(t *testing.T) { testFleetOneAnswers(t, tt.do, plain, tt.counted, tt.texts, tt.prompts) })
		}
	}
}

func testFleetOneAnswers(t *testing.T, do func(*fst.Waiting), plain bool, counted string, texts int, prompts []string) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		w := f.parked()
		if plain {
			w.Announce()
		} else {
			offerHere(w, 1, time.Now())
		}
		settled()
		do(w)
		settled()
		if got := files(w.Result().Played); !slices.Equal(got, prompts) {
			t.Errorf("played %q, want %q", got, prompts)
		}
		f.over(w)
		f.wantTexts(texts)
		f.wantCounted(map[string]int{counted: 1})
	})
}

// 1,000 callers press whatever they like, hang up, get an agent, are taken out of the
// queue: each is answered by one daemon, and counted once over both.
func TestFleetManyCallersAreAnsweredOnce(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		rng := rand.New(rand.NewPCG(1, 2))
		const calls = 1000
		pressed := map[string]bool{}
		var waiting []*fst.Waiting
		for i := range calls {
			w := f.sw().Park(fst.Call{UUID: fmt.Sprintf("call-%d", i), ANI: fmt.Sprintf("+1404343%04d", i), DNIS: "18005550100"})
			offerHere(w, 1, time.Now())
			waiting = append(waiting, w)
			time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
		}
		settled()
		for _, i := range rng.Perm(calls) {
			w := waiting[i]
			for range rng.IntN(4) {
				d := string("01234567891"[rng.IntN(11)])
				w.Press(d)
				if d == "1" || d == "2" {
					if _, was := pressed[w.UUID()]; !was {
						pressed[w.UUID()] = d == "1"
					}
				}
				time.Sleep(time.Duration(rng.IntN(3)) * time.Millisecond)
			}
			switch rng.IntN(8) {
			case 0:
				w.HangUp()
			case 1:
				w.Agent("callcenter")
			case 2:
				w.Set("deflect_offer", "false")
				w.Withdraw()
			}
		}
		time.Sleep(time.Minute)
		for _, w := range waiting {
			w.HangUp()
		}
		time.Sleep(time.Minute)
		wanted := 0
		for id, yes := range pressed {
			if n := f.texts()[id]; yes && n != 1 || !yes && n != 0 {
				t.Errorf("%s has %d texts, pressed accept first %t", id, n, yes)
			}
			if yes {
				wanted++
			}
		}
		all, sum := f.counted()
		if sum != calls || all["sent ok"] != wanted {
			t.Errorf("%d counts for %d calls, of which %d asked for a text: %v", sum, calls, wanted, all)
		}
		for _, m := range f.daemons {
			if n := outcomes(t, m.reg)["sent ok"]; n < wanted/10 {
				t.Errorf("%s has answered %d of %d", m.name, n, wanted)
			}
			m.forgotten()
		}
	})
}

// A daemon dies at some moment after the key: within ten seconds the call is on offer at
// the other one, for another press; nobody is texted twice, nobody waits in vain.
func TestFleetDeathIsTakenOver(t *testing.T) {
	moments := []time.Duration{}
	for d := time.Duration(0); d < 300*time.Millisecond; d += 7 * time.Millisecond {
		moments = append(moments, d)
	}
	for d := 300 * time.Millisecond; d < 6*time.Second; d += 330 * time.Millisecond {
		moments = append(moments, d)
	}
	for _, after := range moments {
		t.Run(after.String(), func(t *testing.T) {
			inFleetBubble(t, func(dc *deflect.Config, _ *freeswitch.Config) {
				// Everything takes its time, so that there are many moments.
			}, func(t *testing.T, f *fleetRig) {
				f.claims.takes = 20 * time.Millisecond
				first, second := f.daemons[0], f.daemons[1]
				for _, m := range f.daemons {
					m.slowly(20 * time.Millisecond)
					m.api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
				}
				// The other one sees keys later.
				f.claims.setAway(second.name, true)
				w := f.queued()
				time.Sleep(2 * time.Second)
				w.Press("1")
				time.Sleep(2 * time.Millisecond)
				f.claims.setAway(second.name, false)
				time.Sleep(after)
				f.cutOff(first)
				time.Sleep(10 * time.Second)
				left := w.Result()
				if n := len(f.texts()); left.Transferred != "" && n == 0 {
					t.Errorf("transferred to %q without a text", left.Transferred)
				}
				if left.Transferred == "" {
					before := len(left.Played)
					w.Press("1")
					settled()
					res := w.Result()
					if len(res.Played) == before {
						t.Errorf("nobody has answered the next press: %v", res.Timeline)
					}
					if res.HungUp || res.Vars["deflect_outcome"] == "" {
						t.Errorf("%+v", res)
					}
				}
				if n := f.texts()[w.UUID()]; n > 1 || n == 0 && w.Result().Vars["deflect_asked"] != "uncertain" {
					t.Errorf("%d texts: %v", n, w.Result().Timeline)
				}
				f.back(first)
				time.Sleep(time.Minute)
				w.HangUp()
				time.Sleep(6 * time.Minute)
				for _, m := range f.daemons {
					m.forgotten()
				}
			})
		})
	}
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

// Nobody knows who answers: no text, the caller waits on, and can press again when the store
// is back. The press is counted as rejected, and the call, in the end, once.
func TestFleetWithoutItsStoreRefuses(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		f.claims.setAway("", true)
		w := f.queued()
		w.Press("1")
		settled()
		f.wantTexts(0)
		for _, m := range f.daemons {
			if n := series(t, m.reg, "deflect_freeswitch_rejected_connections_total")["claim_unknown"]; n != 1 {
				t.Errorf("%s: %d presses were rejected", m.name, n)
			}
		}
		if res := w.Result(); len(res.Played) > 0 || res.Transferred != "" || res.Vars["deflect_outcome"] != "" {
			t.Errorf("%+v", res)
		}
		f.claims.setAway("", false)
		settled()
		w.Press("1")
		settled()
		f.wantTexts(1)
		w.HangUp()
		settled()
		f.wantCounted(map[string]int{"sent ok": 1})
		for _, m := range f.daemons {
			m.forgotten()
		}
	})
}

// A daemon that hears of a key when it was answered long ago answers nothing, whatever has
// become of the call: nor when the store has forgotten who has.
func TestFleetLateDaemonAnswersNothing(t *testing.T) {
	for what, then := range map[string]func(*fst.Waiting, time.Time){
		"waits on":        func(*fst.Waiting, time.Time) {},
		"hangs up":        func(w *fst.Waiting, _ time.Time) { w.HangUp() },
		"announced again": func(w *fst.Waiting, at time.Time) { offerHere(w, 1, at) },
	} {
		for _, forgets := range []bool{false, true} {
			if forgets && what == "hangs up" {
				continue // only the store knows
			}
			t.Run(fmt.Sprintf("%s, store forgets %t", what, forgets), func(t *testing.T) {
				inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].OnSent.Transfer = "" }, func(t *testing.T, f *fleetRig) {
					f.daemons[1].late(8 * time.Second)
					at, w := time.Now(), f.queued()
					time.Sleep(20 * time.Second)
					w.Press("1")
					time.Sleep(5 * time.Second)
					then(w, at)
					if forgets {
						f.claims.forget()
					}
					time.Sleep(30 * time.Second)
					f.wantTexts(1)
					f.over(w)
					if _, sum := f.counted(); sum > 2 {
						t.Errorf("%d counts", sum)
					}
				})
			})
		}
	}
}

func (c *claims) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.held)
}

// The other daemon comes when the first one is dead: a restart. It finds the call in hand,
// and takes it over.
func TestFleetRestartTakesOver(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		f.daemons[0].api.SetFault(&livedeflecttest.Fault{Delay: 2 * time.Second})
		f.cutOff(f.daemons[1])
		w := f.queued()
		w.Press("1")
		time.Sleep(time.Second)
		f.cutOff(f.daemons[0])
		f.join(nil)
		time.Sleep(10 * time.Second)
		if n := f.offered(); n < 1 {
			t.Errorf("%d offers", n)
		}
		w.Press("1")
		settled()
		if res := w.Result(); res.Vars["deflect_reason"] != "already_asked" || len(res.Played) != 1 {
			t.Errorf("%+v", res)
		}
		f.wantTexts(1)
		f.back(f.daemons[0])
		f.back(f.daemons[1])
		settled()
		f.over(w)
	})
}

// An agent of fifo answers while a prompt plays whose daemon has died: agent and caller are
// connected.
func TestFleetDeathLeavesNoAgentWaiting(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		f.claims.setAway(f.daemons[1].name, true)
		w := f.queued(inFifo)
		w.Press("1")
		time.Sleep(1500 * time.Millisecond) // the prompt plays
		f.claims.setAway(f.daemons[1].name, false)
		if len(w.Result().Played) != 1 {
			t.Fatalf("%+v", w.Result())
		}
		f.cutOff(f.daemons[0])
		w.Agent("fifo")
		settled()
		if !w.Result().Bridged {
			t.Error("agent and caller wait for ever")
		}
		f.back(f.daemons[0])
		settled()
		f.over(w)
	})
}

// A call is announced again and again in one place, also while a key is answered: every
// announcement is one offer, whoever has answered the one before, dead or alive.
func TestFleetAnnouncedAgainIsOnOffer(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("dialplan without variables %t, one dies %t", plain, dies), func(t *testing.T) {
				inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
					for _, m := range f.daemons {
						m.api.SetFault(&livedeflecttest.Fault{Status: 400, Delay: time.Second})
					}
					at, w := time.Now(), f.parked()
					announce := func() {
						if plain {
							w.Announce()
						} else {
							offerHere(w, 1, at)
						}
						synctest.Wait()
					}
					announce()
					settled()
					for range 3 { // withdrawn, and back at once
						if !plain {
							w.Set("deflect_offer", "false")
						}
						w.Withdraw()
						announce()
						settled()
					}
					answered := func() {
						t.Helper()
						before := len(w.Result().Played)
						w.Press("1")
						settled()
						if n := len(w.Result().Played) - before; n != 1 {
							t.Errorf("%d prompts: %v", n, w.Result().Timeline)
						}
					}
					answered()
					announce()
					settled()
					if dies {
						f.cutOff(f.daemons[0])
						settled()
					}
					answered()
					announce()
					settled()
					for _, after := range []time.Duration{0, 500 * time.Millisecond} { // while it is answered
						w.Press("1")
						time.Sleep(after)
						announce()
						settled()
						answered()
						announce()
						settled()
					}
					f.back(f.daemons[0])
					settled()
					f.over(w)
				})
			})
		}
	}
}

// A daemon that loses its claim before the text is asked for asks for none.
func TestFleetLostClaimTextsNobody(t *testing.T) {
	for what, lose := range map[string]func(*claims){
		"abandoned transferred":       (*claims).steal,
		"ineligible cooldown_unknown": func(c *claims) { c.setAway("", true) },
	} {
		t.Run(what, func(t *testing.T) {
			inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].AskNumber = true }, func(t *testing.T, f *fleetRig) {
				w := f.queued(func(c *fst.Call) { c.HideNumber = true })
				w.Press("1")
				time.Sleep(3 * time.Second)
				lose(f.claims)
				for _, key := range "4043438647#" {
					w.Press(string(key))
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(7 * time.Second)
				w.Press("1") // the number is right
				time.Sleep(time.Minute)
				f.wantTexts(0)
				if p := files(w.Result().Played); what == "abandoned transferred" && slices.Contains(p, "ivrdeflect/en/number_confirm.wav") {
					t.Errorf("played %q to a caller of another daemon", p)
				}
				if all, _ := f.counted(); all[what] != 1 {
					t.Errorf("counted %v: %v", all, w.Result().Timeline)
				}
				f.claims.setAway("", false)
				f.over(w)
			})
		})
	}
}

// steal gives all claims to somebody else.
func (c *claims) steal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, h := range c.held {
		c.held[id] = claimed{"thief", h.until}
	}
}

// A daemon with no room, or with a configuration that does not serve the call, leaves it to
// the other one.
func TestFleetOtherDaemonServes(t *testing.T) {
	for what, change := range map[string]func(*freeswitch.Config){
		"no room":    func(c *freeswitch.Config) { c.MaxCalls = 1 },
		"no profile": func(c *freeswitch.Config) { c.Profiles[0].Dialed = []string{"+18005550199"} },
	} {
		t.Run(what, func(t *testing.T) {
			n := 0
			inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) {
				if n++; n == 1 {
					change(c)
				}
			}, func(t *testing.T, f *fleetRig) {
				for _, m := range f.daemons {
					m.api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
				}
				var calls []*fst.Waiting
				for i := range 20 {
					calls = append(calls, f.queued(func(c *fst.Call) { c.UUID = fmt.Sprint("call-", i); c.ANI = fmt.Sprintf("+1404343%04d", i) }))
				}
				settled()
				for _, w := range calls {
					w.Press("1")
				}
				settled()
				f.wantTexts(len(calls))
				f.over(calls...)
				if all, _ := f.counted(); all["sent ok"] != len(calls) {
					t.Errorf("counted %v", all)
				}
			})
		})
	}
}

// One of two daemons dies while 300 callers press keys: everybody who presses again gets an
// answer, nobody has two texts, nobody is out of the queue without one.
func TestFleetDeathUnderLoad(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, m := range f.daemons {
			m.slowly(5 * time.Millisecond)
			m.api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
		}
		var calls []*fst.Waiting
		for i := range 300 {
			calls = append(calls, f.queued(func(c *fst.Call) { c.UUID = fmt.Sprint("call-", i); c.ANI = fmt.Sprintf("+1404343%04d", i) }))
		}
		settled()
		for i, w := range calls {
			w.Press("1")
			time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
			if i == len(calls)/2 {
				f.cutOff(f.daemons[0])
			}
		}
		time.Sleep(10 * time.Second)
		for _, w := range calls {
			if w.Result().Transferred == "" {
				before := len(w.Result().Played)
				w.Press("1")
				time.Sleep(6 * time.Second)
				if len(w.Result().Played) == before {
					t.Errorf("%s: no answer: %v", w.UUID(), w.Result().Timeline)
				}
			}
		}
		for _, w := range calls {
			n := f.texts()[w.UUID()]
			if n > 1 || n == 0 && w.Result().Transferred != "" || n == 0 && w.Result().Vars["deflect_asked"] != "uncertain" {
				t.Errorf("%s: %d texts: %+v", w.UUID(), n, w.Result())
			}
		}
		f.back(f.daemons[0])
		settled()
		f.over(calls...)
	})
}

// A daemon without room takes over what the one with room has left.
func TestFleetFullDaemonTakesOver(t *testing.T) {
	n := 0
	inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) {
		if n++; n == 1 {
			c.MaxCalls = 1
		}
	}, func(t *testing.T, f *fleetRig) {
		full, other := f.daemons[0], f.daemons[1]
		for _, m := range f.daemons {
			m.api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second})
		}
		f.claims.setAway(other.name, true)
		first, w := f.queued(func(c *fst.Call) { c.UUID = "first" }), f.queued()
		first.Press("1")
		time.Sleep(10 * time.Millisecond)
		f.claims.setAway(other.name, false)
		w.Press("1")
		time.Sleep(time.Second)
		f.cutOff(other)
		time.Sleep(10 * time.Second)
		before := len(w.Result().Played)
		w.Press("1")
		settled()
		if len(w.Result().Played) == before || full.srv.Calls() > 0 {
			t.Errorf("nobody has answered: %v", w.Result().Timeline)
		}
		f.back(other)
		settled()
		f.over(first, w)
	})
}

// What a late daemon says of a call does not undo what the faster one has said since.
func TestFleetLateDaemonUndoesNothing(t *testing.T) {
	t.Run("an answer", func(t *testing.T) {
		inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
			f.daemons[1].late(5 * time.Second)
			w := f.parked()
			w.Announce()
			time.Sleep(100 * time.Millisecond)
			w.Press("2")
			time.Sleep(time.Minute)
			w.Press("1")
			settled()
			f.wantTexts(0)
			f.over(w)
			f.wantCounted(map[string]int{"declined decline_key": 1})
		})
	})
	t.Run("another announcement", func(t *testing.T) {
		inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
			f.daemons[1].late(5 * time.Second)
			w := f.queued()
			time.Sleep(time.Minute)
			w.Press("2")
			time.Sleep(time.Minute)
			w.Withdraw()
			at := time.Now()
			w.Transfer("second-queue")
			offerHere(w, 2, at)
			time.Sleep(time.Minute)
			f.wantOffered(w)
		})
	})
	t.Run("a daemon that does not serve", func(t *testing.T) {
		n := 0
		inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) {
			if n++; n == 1 {
				c.Profiles[0].Dialed = []string{"+18005550199"}
			}
		}, func(t *testing.T, f *fleetRig) { f.wantOffered(f.queued()) })
	})
}

// wantOffered fails unless a daemon that knows nothing finds a call on offer.
func (f *fleetRig) wantOffered(w *fst.Waiting) {
	f.t.Helper()
	for _, m := range f.daemons {
		f.cutOff(m)
	}
	m := f.join(nil)
	settled()
	if n := series(f.t, m.reg, "deflect_freeswitch_offers")[""]; n != 1 {
		f.t.Errorf("%d calls are on offer", n)
	}
	w.Press("1")
	settled()
	if res := w.Result(); res.Vars["deflect_outcome"] == "" || len(res.Played) == 0 {
		f.t.Errorf("nobody has answered: %+v", res)
	}
	for _, m := range f.daemons {
		f.back(m)
	}
	settled()
	f.over(w)
}

// A call ends while nobody knows who answers its key: it is counted once, when that is known,
// and by each when it is not known for long.
func TestFleetWithoutItsStoreCounts(t *testing.T) {
	for what, away := range map[string]time.Duration{"for a while": 8 * time.Second, "for long": time.Hour} {
		for _, press := range []string{"", "1", "2"} {
			t.Run(fmt.Sprintf("%s, key %q", what, press), func(t *testing.T) {
				inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
					w := f.queued()
					f.claims.setAway("", true)
					if press != "" {
						w.Press(press)
					}
					time.Sleep(100 * time.Millisecond)
					w.HangUp()
					time.Sleep(away)
					f.claims.setAway("", false)
					settled()
					want := 1
					if away > time.Minute {
						want = 2
					}
					f.over(w)
					f.wantTexts(0)
					f.wantCounted(map[string]int{"abandoned hangup": want})
				})
			})
		}
	}
}

// A daemon that was cut off, but lives, ends its session alone: what it says of that later
// does not undo the offer of the one that has taken over.
func TestFleetLivesOnAfterTheTakeover(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		for _, m := range f.daemons {
			m.api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second, Status: 400})
		}
		f.claims.setAway(f.daemons[1].name, true)
		w := f.queued()
		w.Press("1")
		time.Sleep(time.Second)
		f.claims.setAway(f.daemons[1].name, false)
		f.cutOff(f.daemons[0])
		time.Sleep(10 * time.Second)
		f.back(f.daemons[0])
		time.Sleep(time.Minute)
		if n := f.offered(); n != 2 {
			t.Errorf("%d offers", n)
		}
		w.Press("1")
		settled()
		if res := w.Result(); len(res.Played) != 1 {
			t.Errorf("played %q: %v", files(res.Played), res.Timeline)
		}
		f.over(w)
	})
}

// A key is answered while a daemon has no connection: it learns that the call is decided, or
// that it is in hand, and then takes it over as if it had seen the key.
func TestFleetKeyInTheGap(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprintf("the other one dies %t", dies), func(t *testing.T) {
			inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
				first, second := f.daemons[0], f.daemons[1]
				for _, m := range f.daemons {
					m.api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second, Status: 400})
				}
				w := f.queued()
				settled()
				f.cutOff(second)
				w.Press("1")
				time.Sleep(500 * time.Millisecond)
				f.back(second)
				time.Sleep(2 * time.Second)
				if dies {
					f.cutOff(first)
				}
				time.Sleep(10 * time.Second)
				if n := series(t, second.reg, "deflect_freeswitch_offers")[""]; n == 1 != dies {
					t.Errorf("%d offers", n)
				}
				f.back(first)
				settled()
				f.over(w)
			})
		})
	}
}
