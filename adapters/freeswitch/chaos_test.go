package freeswitch_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

var chaosSeed = flag.Uint64("chaos.seed", 0, "seed of TestChaos, which names the one that it used; 0 is a new one")

// chaosCalls are those of Connect to Messaging, in lives of a server; a fifth as many of
// LiveDeflect come beside them.
const (
	chaosCalls = 20_000 / lessWork
	chaosLife  = 200
)

// TestChaos lets every request to both APIs meet random faults, in the middle of calls that
// do all that calls can do. Whatever happens no caller is lost or waits for an answer longer
// than a deadline, one key press is at most one text, and of each text it is known that it
// went out, or may have.
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos.seed %d", seed)
	tally := map[string]int{}
	var hosts chaosStore // outlive a server
	for i := range chaosCalls / chaosLife {
		t.Run(fmt.Sprint("life ", i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newChaosWorld(t, rand.New(rand.NewPCG(seed, uint64(i))), &hosts)
				w.live()
				w.judge()
				for what, n := range w.tally {
					tally[what] += n
				}
			})
		})
	}
	for _, what := range slices.Sorted(maps.Keys(tally)) {
		t.Logf("%6d %s", tally[what], what)
	}
}

// chaosWorld is one server with two profiles, each with its API, and all who call it.
type chaosWorld struct {
	*rig
	t   *testing.T
	rng *rand.Rand

	api       *c2mtest.Server
	ticketAge time.Duration
	later     bool
	cooldown  time.Duration
	bearer    bool
	callers   []*chaosCaller

	mu      sync.Mutex // guards what follows
	tally   map[string]int
	strange []string // hosts that were asked and are not the vendor's
	told    map[string]*chaosTold
	// Calls that are not counted: connections that ended before anybody knew whose they were,
	// and those that were told again what became of the text before.
	noCalls, repeated int
}

// chaosTold is what the engine has said of a call.
type chaosTold struct {
	results []deflect.Result // of requests for its text that were made
	later   []deflect.Result // of a text that waited
	settled []deflect.Settlement
}

const chaosDialed = "18005550199" // the number of those whose texts go by Connect to Messaging

func newChaosWorld(t *testing.T, rng *rand.Rand, hosts *chaosStore) *chaosWorld {
	w := &chaosWorld{t: t, rng: rng, told: map[string]*chaosTold{}, tally: map[string]int{}, later: rng.IntN(3) == 0, bearer: rng.IntN(5) > 0}
	w.ticketAge = []time.Duration{time.Second, 3 * time.Second, 10 * time.Minute}[rng.IntN(3)]
	if rng.IntN(2) == 0 {
		w.cooldown = 20 * time.Minute // longer than callers come
	}
	rate := []int{1000, 30, 8}[rng.IntN(3)]
	w.api = c2mtest.New(c2mtest.Config{
		Account: "38856538", ClientID: "client", ClientSecret: "client-s3cret", Rate: rate,
		ConsumerKey: keys.ConsumerKey, ConsumerSecret: keys.ConsumerSecret, Token: keys.Token, TokenSecret: keys.TokenSecret,
		TokenLife: []time.Duration{15 * time.Second, 2 * time.Minute, time.Hour}[rng.IntN(3)], ExpiresIn: c2mtest.ExpiresIn(rng.IntN(3)),
		SecondInvite: c2mtest.SecondInvite(rng.IntN(2)), OtherCallID: rng.IntN(2) == 0, Open: c2mtest.Open(rng.IntN(3)),
		Channels: [][]string{{c2mtest.SMS}, {c2mtest.WhatsApp, c2mtest.SMS}}[rng.IntN(2)],
		Report:   c2mtest.Report{Lag: time.Duration(rng.IntN(2)) * 20 * time.Minute, OtherIDs: rng.IntN(4) == 0},
	})
	transport := chaosTransport{w}
	if rng.IntN(2) == 0 {
		hosts.text = nil // a first start
	}
	domains, err := liveperson.NewDomains(liveperson.DomainsConfig{Account: "38856538", Transport: transport, Store: hosts})
	if err != nil {
		t.Fatal(err)
	}
	var auth liveperson.Authenticator = liveperson.OAuth1{
		ConsumerKey: keys.ConsumerKey, ConsumerSecret: deflect.NewSecret(keys.ConsumerSecret),
		Token: keys.Token, TokenSecret: deflect.NewSecret(keys.TokenSecret),
	}
	if w.bearer {
		auth = &liveperson.OAuth2{Account: "38856538", ClientID: "client", ClientSecret: deflect.NewSecret("client-s3cret"), Domains: domains}
	}
	backend, err := c2m.New(c2m.Config{
		Account: "38856538", HandoffID: "H123456789", Auth: auth, Domains: domains, Transport: transport, TicketAge: w.ticketAge, RatePerSecond: rate,
		Channels: [][]c2m.Channel{nil, {c2m.SMS}, {c2m.WhatsApp, c2m.SMS}}[rng.IntN(3)],
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Close)
	w.rig = newRig(t, func(dc *deflect.Config, fc *freeswitch.Config) {
		other := sales()
		other.Name, other.Dialed = "messaging", []string{"+" + chaosDialed}
		fc.Profiles = append(fc.Profiles, other)
		for i := range fc.Profiles {
			p := &fc.Profiles[i]
			p.Rules = deflect.Rules{NoCooldown: w.cooldown == 0, Cooldown: w.cooldown}
			if w.later {
				p.Rules.Later.Failed = 30 * time.Minute
			}
			policy, err := deflect.NewPolicy(p.Name, p.Rules)
			if err != nil {
				t.Fatal(err)
			}
			dc.Policies = append(dc.Policies, policy)
		}
		dc.Backends = map[string]deflect.Backend{other.Name: backend}
		dc.Breaker = deflect.BreakerConfig{Failures: []int{5, 50}[rng.IntN(2)], OpenFor: 2 * time.Second}
		if w.later {
			dc.Journal = &chaosJournal{entries: map[string]deflect.Entry{}}
		}
		dc.Trace, dc.OnSettled = w.trace(), func(s deflect.Settlement) {
			w.note(s.ExternalCallID, func(c *chaosTold) { c.settled = append(c.settled, s) })
		}
		fc.Trace = &freeswitch.Trace{Call: func(ctx context.Context) (context.Context, func(freeswitch.TracedEnd)) {
			return ctx, func(end freeswitch.TracedEnd) {
				if end.Outcome == "" {
					w.mu.Lock()
					w.noCalls++
					w.mu.Unlock()
				}
			}
		}}
		dc.Logger = slog.New(slog.DiscardHandler)
		fc.Logger = dc.Logger
	})
	return w
}

func (w *chaosWorld) note(id string, what func(*chaosTold)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told[id] == nil {
		w.told[id] = &chaosTold{}
	}
	what(w.told[id])
}

func (w *chaosWorld) count(what string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tally[what] += n
}

func (w *chaosWorld) trace() *deflect.Trace {
	return &deflect.Trace{
		Deflect: func(ctx context.Context, call *deflect.Call) (context.Context, func(deflect.Result, error)) {
			id := call.ExternalCallID
			return ctx, func(res deflect.Result, _ error) {
				w.note(id, func(c *chaosTold) {
					if res.Repeated {
						w.repeated++
					} else {
						c.results = append(c.results, res)
					}
				})
			}
		},
		Later: func(ctx context.Context, call *deflect.Call, _ int) (context.Context, func(deflect.Result, error)) {
			id := call.ExternalCallID
			return ctx, func(res deflect.Result, _ error) {
				w.note(id, func(c *chaosTold) { c.later = append(c.later, res) })
			}
		},
	}
}

// live has everybody call, in two crowds with a while between them, and ends when all texts
// have ended.
func (w *chaosWorld) live() {
	w.misfortune()
	var wg sync.WaitGroup
	for i := range chaosLife + chaosLife/5 {
		c := w.newCaller(i)
		w.callers = append(w.callers, c)
		for _, pass := range c.passes {
			if pass.beside {
				wg.Go(func() { w.pass(c, pass) })
			}
		}
		wg.Go(func() {
			for _, pass := range c.passes {
				if !pass.beside {
					w.pass(c, pass)
				}
			}
		})
		time.Sleep(time.Duration(w.rng.Int64N(int64(100 * time.Millisecond))))
		if w.rng.IntN(100) == 0 {
			w.rig.api.SetClock(time.Duration(w.rng.IntN(20)-10) * time.Second)
			w.api.ExpireTokens()
		}
		if i == chaosLife/2 {
			wg.Wait()
			time.Sleep([]time.Duration{0, 20 * time.Second, 61 * time.Minute, 25 * time.Hour}[w.rng.IntN(4)])
		}
	}
	wg.Wait()
	time.Sleep(2 * time.Hour)
	w.drain()
	synctest.Wait()
}

// pass hands the call of a caller over once.
func (w *chaosWorld) pass(c *chaosCaller, p *chaosPass) {
	time.Sleep(p.after)
	if len(c.passes) > 1 && !p.beside && p != c.passes[0] {
		before := c.passes[0].result
		if !before.Continued {
			return
		}
		p.call.Answered = p.call.Answered || before.Answered
		if p.carries {
			maps.Copy(p.call.Vars, before.Vars)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), chaosLongest)
	defer cancel()
	res, err := p.call.Run(ctx, w.ln.dial(w.t))
	if err != nil {
		w.t.Errorf("%s: %v: %q %v", c.name, err, res.Commands, res.Timeline)
	}
	if crossed(res, "unsets socket_resume") && len(res.Violations) == 1 && strings.HasPrefix(res.Violations[0], "an application for a call that is somewhere else") {
		w.count("calls that were moved while they were spoken to", 1)
		res.Violations = nil
	}
	if (res.Lost || res.ResumeLeft) && crossed(res, "the call was given back") {
		w.count("calls that were moved while they were given back", 1)
		res.Lost, res.ResumeLeft = false, false
	}
	w.clean(res)
	p.result, p.played = res, true
}

// crossed reports whether something came in the very moment in which somebody moved the call:
// no program can keep that from harming it.
func crossed(res fst.Result, what string) bool {
	const moment = 50 * time.Millisecond
	var moved, came []time.Duration
	for _, e := range res.Timeline {
		switch {
		case e.Text == what:
			came = append(came, e.At)
		case strings.HasPrefix(e.Text, "the call is sent to"), strings.HasPrefix(e.Text, "another program ends its socket"):
			moved = append(moved, e.At)
		}
	}
	return len(moved) > 0 && len(came) > 0 && (moved[0]-came[0]).Abs() < moment
}

// chaosLongest is longer than any call.
const chaosLongest = 5 * time.Minute

// chaosTransport is the way to all hosts of Connect to Messaging.
type chaosTransport struct{ w *chaosWorld }

func (c chaosTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(time.Millisecond) // so that no two requests of a call arrive at the same moment
	if host := req.URL.Hostname(); !strings.HasSuffix(host, ".liveperson.net") || req.URL.Scheme != "https" {
		c.w.mu.Lock()
		c.w.strange = append(c.w.strange, host)
		c.w.mu.Unlock()
	}
	return c.w.api.RoundTrip(req)
}

// chaosStore keeps hosts in memory.
type chaosStore struct{ text []byte }

func (s *chaosStore) Load() []byte { return slices.Clone(s.text) }

func (s *chaosStore) Save(text []byte) error {
	s.text = slices.Clone(text)
	return nil
}
