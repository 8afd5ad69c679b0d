package deflect_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// tickets is a backend of another vendor: a bearer token, a ticket before the offer, and
// the text with it.
type tickets struct {
	rt    http.RoundTripper
	token string
}

func (b *tickets) Name() string { return "tickets" }

func (b *tickets) ReadNumber(n phone.Number, region string) (phone.Parsed, bool) {
	return numberplan.Parse(n, region)
}

func (b *tickets) Read(t *deflect.Text) []*deflect.ValidationError { return nil }

func (b *tickets) Ask(ctx context.Context, t *deflect.Text) deflect.Attempt {
	ticket, a := b.do(ctx, "/ticket", t.Customer.E164)
	t.Ticket = ticket
	return a
}

func (b *tickets) Fresh(t *deflect.Text) bool { return t.Ticket != nil }

func (b *tickets) Send(ctx context.Context, t *deflect.Text) deflect.Attempt {
	_, a := b.do(ctx, "/text", t.Ticket.(string))
	return a
}

func (b *tickets) do(ctx context.Context, path, body string) (string, deflect.Attempt) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://api.example.net"+path, strings.NewReader(body))
	if err != nil {
		return "", deflect.Attempt{Outcome: deflect.Failed, Reason: deflect.ReasonInternal, Err: err}
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	resp, err := b.rt.RoundTrip(req)
	if err != nil {
		return "", deflect.Attempt{Outcome: deflect.Uncertain, Reason: deflect.ReasonConnectionLost, Err: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	a := deflect.Attempt{Outcome: deflect.Sent, Reason: deflect.ReasonOK, CallID: string(answer), Status: resp.StatusCode, Err: err}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		a.Outcome, a.Reason = deflect.Failed, deflect.ReasonUnauthorized
	case resp.StatusCode >= 500:
		a.Outcome, a.Reason = deflect.Uncertain, deflect.ReasonServerError
	case err != nil:
		a.Outcome, a.Reason = deflect.Uncertain, deflect.ReasonBadResponse
	}
	return string(answer), a
}

// spent is a text in doubt: whether its ticket was used.
type spent struct {
	ticket string
	told   deflect.Told
}

func (s *spent) Told() deflect.Told { return s.told }

func (b *tickets) Doubt(t *deflect.Text, _ time.Time) deflect.Doubt {
	return &spent{ticket: t.Ticket.(string)}
}

func (b *tickets) LookUp(ctx context.Context, doubts []deflect.Doubt) error {
	for _, d := range doubts {
		s := d.(*spent)
		s.told.Lookups++
		answer, a := b.do(ctx, "/used", s.ticket)
		if a.Outcome != deflect.Sent {
			return errors.New("it does not tell")
		}
		s.told.Sent = answer == "yes"
	}
	return nil
}

func (b *tickets) Lag() time.Duration { return 0 }

func (b *tickets) Find(context.Context, string, string, time.Time, time.Duration) deflect.Told {
	return deflect.Told{Err: errors.New("a ticket is needed")}
}

// ticketAPI is what the backend talks to.
type ticketAPI struct {
	mu    sync.Mutex
	asked []string       // paths
	fail  map[string]int // status by path; -1 is sent, with an answer that is lost
	texts map[string]int // by ticket
}

func (a *ticketAPI) RoundTrip(req *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(req.Body)
	a.asked = append(a.asked, req.URL.Path)
	status, answer := cmp.Or(a.fail[req.URL.Path], 200), ""
	if req.Header.Get("Authorization") != "Bearer t0ken" {
		status = 401
	}
	if status == 200 || status == -1 {
		switch req.URL.Path {
		case "/ticket":
			answer = "for" + string(body)
		case "/text":
			a.texts[string(body)]++
			answer = "text-1"
		case "/used":
			answer = map[bool]string{true: "yes", false: "no"}[a.texts[string(body)] > 0]
		}
	}
	if status == -1 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(answer)), Request: req}, nil
}

func (a *ticketAPI) paths() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	paths := a.asked
	a.asked = nil
	return paths
}

func ticketClient(t *testing.T, change func(*deflect.Config)) (*deflect.Client, *ticketAPI, *prometheus.Registry) {
	t.Helper()
	api, reg := &ticketAPI{fail: map[string]int{}, texts: map[string]int{}}, prometheus.NewRegistry()
	cfg := deflect.Config{Backend: &tickets{rt: api, token: "t0ken"}, Registerer: reg}
	if change != nil {
		change(&cfg)
	}
	c := must(deflect.New(cfg))
	t.Cleanup(c.Close)
	return c, api, reg
}

// A backend of another vendor texts who may be texted, with the ticket of the offer, and
// asks for one when there was no offer for the number.
func TestOtherBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, api, reg := ticketClient(t, nil)
		k := call()
		k.Policy = policy(t, deflect.Rules{Countries: []string{"US"}})
		wantPaths := func(what string, want ...string) {
			t.Helper()
			if diff := gocmp.Diff(want, api.paths()); diff != "" {
				t.Errorf("%s: requests (-want +got):\n%s", what, diff)
			}
		}
		o := must(c.Offer(t.Context(), next(k)))
		wantPaths("offer", "/ticket")
		res, err := o.Deflect(t.Context())
		if o.Release(); err != nil || res.Outcome != deflect.Sent || res.CallID != "text-1" || res.Attempts != 1 {
			t.Errorf("Deflect = %+v, %v", res, err)
		}
		wantPaths("its text", "/text")

		if _, err := c.Offer(t.Context(), next(k)); reasonOf(err) != deflect.ReasonCooldown {
			t.Errorf("in the cooldown: %v", err)
		}
		k.ANI = "+4915112345678"
		if _, err := c.Offer(t.Context(), next(k)); reasonOf(err) != deflect.ReasonCountry {
			t.Errorf("of another country: %v", err)
		}
		wantPaths("refused callers")

		k.ANI = "+14043438647"
		if _, err := c.Deflect(t.Context(), next(k)); err != nil {
			t.Error(err)
		}
		wantPaths("without an offer", "/ticket", "/text")

		k.ANI = "+14043438648"
		o = must(c.Offer(t.Context(), next(k)))
		o.Call.NumberOverride = "+14043438649"
		if _, err := o.Deflect(t.Context()); err != nil {
			t.Error(err)
		}
		wantPaths("to another number", "/ticket", "/ticket", "/text")
		for number, n := range map[string]int{"+14043438646": 1, "+14043438647": 1, "+14043438648": 0, "+14043438649": 1} {
			if api.texts["for"+number] != n {
				t.Errorf("%d texts to %s, want %d", api.texts["for"+number], number, n)
			}
		}
		if diff := gocmp.Diff(map[string]float64{"sent ok": 3}, outcomes(t, reg)); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
		if n := rig.Sum(t, reg, "deflect_requests_total"); n != 7 {
			t.Errorf("%v requests counted, want 7", n)
		}
	})
}

// An answer to a text that is lost is uncertain, and settled as the API tells later.
func TestOtherBackendSettles(t *testing.T) {
	for _, tt := range []struct {
		text, used int // status
		want       deflect.SettleResult
	}{
		{-1, 0, deflect.SettledSent},
		{500, 0, deflect.SettledNotSent},
		{500, 503, deflect.SettledUnknown}, // not asked is not proved
	} {
		synctest.Test(t, func(t *testing.T) {
			var got settled
			c, api, _ := ticketClient(t, func(c *deflect.Config) { c.OnSettled = got.hear })
			api.fail["/text"], api.fail["/used"] = tt.text, tt.used
			res, err := c.Deflect(t.Context(), call())
			if res.Outcome != deflect.Uncertain || deflect.NotSent(err) || res.Attempts != 1 {
				t.Errorf("Deflect = %+v, %v", res, err)
			}
			time.Sleep(time.Hour)
			if all := got.heard(); len(all) != 1 || all[0].Result != tt.want {
				t.Errorf("settled %+v, want %s", all, tt.want)
			}
		})
	}
}

// Failures of either call open the breaker, and whoever is refused before the text is
// certainly not texted.
func TestOtherBackendOpensTheBreaker(t *testing.T) {
	for path, outcome := range map[string]deflect.Outcome{"/ticket": deflect.Failed, "/text": deflect.Uncertain} {
		synctest.Test(t, func(t *testing.T) {
			c, api, reg := ticketClient(t, func(c *deflect.Config) { c.Breaker.Failures = 3 })
			api.fail[path] = 500
			for range 3 {
				if res, err := c.Deflect(t.Context(), call()); res.Outcome != outcome || deflect.NotSent(err) != (outcome == deflect.Failed) {
					t.Errorf("%s: Deflect = %+v, %v", path, res, err)
				}
			}
			wantState(t, reg, "open")
			if _, err := c.Offer(t.Context(), call()); reasonOf(err) != deflect.ReasonBreakerOpen {
				t.Errorf("%s: Offer while open: %v", path, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c, api, reg := ticketClient(t, func(c *deflect.Config) { c.Breaker.Failures = 3 })
		api.fail["/ticket"] = 500
		for range 3 {
			if _, err := c.Offer(t.Context(), call()); !errors.Is(err, deflect.ErrUnavailable) || !deflect.NotSent(err) {
				t.Errorf("Offer: %v", err)
			}
		}
		wantState(t, reg, "open")
	})
}

// A ticket is no sign that texts are sent: who is promised one by it has to get it.
func TestTicketsDoNotCloseTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, api, reg := ticketClient(t, func(c *deflect.Config) { c.Breaker.Failures = 3 })
		api.fail["/text"] = 500
		for range 3 {
			offer, err := c.Offer(t.Context(), call())
			if err != nil {
				t.Fatal(err)
			}
			if res, err := offer.Deflect(t.Context()); res.Outcome != deflect.Uncertain {
				t.Errorf("Deflect = %+v, %v", res, err)
			}
			offer.Release()
		}
		wantState(t, reg, "open")
		time.Sleep(time.Minute)
		wantState(t, reg, "half_open")
		offer, err := c.Offer(t.Context(), call())
		if err != nil {
			t.Fatal(err)
		}
		defer offer.Release()
		wantState(t, reg, "half_open") // the ticket was no text
	})
}

// shaky is a backend whose doubts have a defect.
type shaky struct{ tickets }

func (b *shaky) Doubt(*deflect.Text, time.Time) deflect.Doubt { return tremor{} }

func (b *shaky) LookUp(context.Context, []deflect.Doubt) error { return nil }

type tremor struct{}

func (tremor) Told() deflect.Told { panic("a defect") }

// A defect of a backend ends no process, neither when a text is settled nor at the end.
func TestTellerThatPanics(t *testing.T) {
	for _, wait := range []time.Duration{time.Hour, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var got settled
			api := &ticketAPI{fail: map[string]int{"/text": 500}, texts: map[string]int{}}
			c := must(deflect.New(deflect.Config{Backend: &shaky{tickets{rt: api, token: "t0ken"}}, OnSettled: got.hear}))
			if res, err := c.Deflect(t.Context(), call()); res.Outcome != deflect.Uncertain {
				t.Errorf("Deflect = %+v, %v", res, err)
			}
			time.Sleep(wait)
			c.Close()
			if all := got.heard(); len(all) != 1 || all[0].Result != deflect.SettledUnknown || all[0].Err == nil {
				t.Errorf("settled %+v", all)
			}
		})
	}
}

// babble is a backend that says what it likes.
type babble struct {
	tickets
	says  deflect.Attempt
	calls int
}

func (b *babble) Ask(context.Context, *deflect.Text) deflect.Attempt {
	return deflect.Attempt{Outcome: deflect.Sent, Reason: deflect.ReasonOK}
}

func (b *babble) Send(context.Context, *deflect.Text) deflect.Attempt {
	b.calls++
	return b.says
}

// What is off the closed lists may have been a text: it is not sent again. Nor is an id
// shown that is none.
func TestBackendThatBabbles(t *testing.T) {
	for _, says := range []deflect.Attempt{
		{},
		{Outcome: "nonsense", Reason: "nonsense"},
		{Outcome: deflect.Failed, Reason: "nonsense"},
		{Outcome: deflect.Failed, Reason: deflect.ReasonOK},
		{Outcome: deflect.Sent, Reason: deflect.ReasonUnreachable},
		{Outcome: deflect.Failed, Reason: deflect.ReasonServerError},
		{Outcome: deflect.Declined, Reason: deflect.ReasonDeclineKey},
		{Outcome: deflect.Failed, Reason: deflect.ReasonPrompt},
	} {
		says.CallID = "a b\n${x}"
		synctest.Test(t, func(t *testing.T) {
			b, reg := &babble{says: says}, prometheus.NewRegistry()
			c := must(deflect.New(deflect.Config{Backend: b, Registerer: reg, Settle: deflect.SettleConfig{Disabled: true}}))
			defer c.Close()
			res, err := c.Deflect(t.Context(), call())
			if res.Outcome != deflect.Uncertain || res.Reason != deflect.ReasonInternal || res.CallID != "" || deflect.NotSent(err) || b.calls != 1 {
				t.Errorf("%s %s: %+v, %v after %d requests", says.Outcome, says.Reason, res, err, b.calls)
			}
			wantCount(t, reg, deflect.Uncertain, deflect.ReasonInternal, 1)
		})
	}
}
