package deflect_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// outcomes are the calls that were counted, by outcome and reason.
func outcomes(t *testing.T, from prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "deflect_outcomes_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if n := m.GetCounter().GetValue(); n > 0 {
				got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[2].GetValue()] += n
			}
		}
	}
	return got
}

func offer(t *testing.T, c *rig.Client, k deflect.Call) *deflect.Offer {
	t.Helper()
	o, err := c.Offer(t.Context(), next(k))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Whatever is said of an offer, and however often, its call is counted once, as the first
// that was said.
func TestOfferCountsOnce(t *testing.T) {
	text := func(t *testing.T, o *deflect.Offer) { o.Deflect(t.Context()) } //nolint:errcheck // what is counted is looked at
	release := func(_ *testing.T, o *deflect.Offer) { o.Release() }
	end := func(outcome deflect.Outcome, reason deflect.Reason) func(*testing.T, *deflect.Offer) {
		return func(_ *testing.T, o *deflect.Offer) { o.End(outcome, reason) }
	}
	type said = []func(*testing.T, *deflect.Offer)
	declined := end(deflect.Declined, deflect.ReasonDeclineKey)
	for _, tt := range []struct {
		name  string
		fault livedeflecttest.Fault
		said  said
		want  string
		texts int
	}{
		{"forgotten", livedeflecttest.Fault{}, said{release}, "abandoned hangup", 0},
		{"released twice", livedeflecttest.Fault{}, said{release, release}, "abandoned hangup", 0},
		{"declined", livedeflecttest.Fault{}, said{declined}, "declined decline_key", 0},
		{"declined twice", livedeflecttest.Fault{}, said{declined, end(deflect.NoInput, deflect.ReasonNoKey)}, "declined decline_key", 0},
		{"declined, released", livedeflecttest.Fault{}, said{declined, release}, "declined decline_key", 0},
		{"off the list", livedeflecttest.Fault{}, said{end("nonsense", "nonsense"), release}, "failed internal", 0},
		{"texted", livedeflecttest.Fault{}, said{text, release}, "sent ok", 1},
		{"texted twice", livedeflecttest.Fault{}, said{text, text, release}, "sent ok", 1},
		{"texted, ended", livedeflecttest.Fault{}, said{text, declined, release}, "sent ok", 1},
		{"texted in vain", livedeflecttest.Fault{Status: 400}, said{text, text, release}, "failed rejected", 0},
		{"texted, nobody knows", livedeflecttest.Fault{ResetAfter: true}, said{text, text, release}, "uncertain connection_lost", 1},
		{"declined, texted", livedeflecttest.Fault{}, said{declined, text, release}, "declined decline_key", 0},
		{"left, texted", livedeflecttest.Fault{}, said{release, text, text}, "abandoned hangup", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, api := prometheus.NewRegistry(), livedeflecttest.New(keys)
				api.Inject(tt.fault)
				c := newClient(t, api, func(c *rig.Config) { c.Registerer = reg })
				o := offer(t, c, call())
				if got := outcomes(t, reg); len(got) != 0 {
					t.Errorf("counted before its end: %v", got)
				}
				for _, say := range tt.said {
					say(t, o)
				}
				if diff := cmp.Diff(map[string]float64{tt.want: 1}, outcomes(t, reg)); diff != "" {
					t.Errorf("counted (-want +got):\n%s", diff)
				}
				if n := len(api.Sent()); n != tt.texts {
					t.Errorf("%d texts, want %d", n, tt.texts)
				}
			})
		})
	}
}

// Two key presses at a time are one text, and both hear of it. A caller who leaves
// meanwhile has asked for the text.
func TestOfferDeflectsOnce(t *testing.T) {
	reg, api := prometheus.NewRegistry(), livedeflecttest.New(keys)
	under, goOn := make(chan bool), make(chan bool)
	c := newClient(t, nil, func(c *rig.Config) {
		c.Registerer, c.Transport = reg, roundTrip(func(req *http.Request) (*http.Response, error) {
			close(under)
			<-goOn
			return api.RoundTrip(req)
		})
	})
	o := offer(t, c, call()) // without rules no cooldown keeps the second one back
	var all sync.WaitGroup
	results := make([]deflect.Result, 4)
	for i := range results {
		all.Go(func() {
			var err error
			if results[i], err = o.Deflect(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	<-under
	o.Release()
	close(goOn)
	all.Wait()
	for _, res := range results {
		if res != results[0] || res.Outcome != deflect.Sent {
			t.Errorf("%+v, the first one is %+v", res, results[0])
		}
	}
	if n := len(api.Sent()); n != 1 {
		t.Errorf("%d texts", n)
	}
	if diff := cmp.Diff(map[string]float64{"sent ok": 1}, outcomes(t, reg)); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// What the caller has said since the offer is sent, and judged.
func TestOfferSendsWhatWasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		c := newClient(t, api, nil)
		o := offer(t, c, call())
		defer o.Release()
		time.Sleep(10 * time.Second)
		accepted := time.Now().Add(-time.Second)
		o.Call.Digits, o.Call.NumberOverride, o.Call.Accepted = "99", "+4915112345678", accepted
		if _, err := o.Deflect(t.Context()); err != nil {
			t.Fatal(err)
		}
		sent := api.Sent()[0]
		if sent.CallerEnteredDigits != "99" || sent.DeflectionHandle != "4915112345678" || sent.DeflectionAcceptTime != "946684809000" {
			t.Errorf("sent %+v", sent)
		}

		// The number that a caller was asked for may be that of somebody who opted out.
		k := call()
		k.ANI, k.Policy = "anonymous", policy(t, deflect.Rules{AskNumber: true, DoNotText: numbers{"+4915112345678"}})
		for number, want := range map[phone.Number]deflect.Reason{
			"+4915112345678": deflect.ReasonOptedOut, "+493012345678": deflect.ReasonNumberFixedLine, "": deflect.ReasonNumberHidden, "+4915112345679": "",
		} {
			o := offer(t, c, k)
			if !o.NeedsNumber {
				t.Error("the offer needs no number")
			}
			o.Call.NumberOverride = number
			if _, err := o.Deflect(t.Context()); reasonOf(err) != want {
				t.Errorf("%s: %v, want %s", string(number), err, want)
			}
		}
	})
}

// Whoever is refused gets no offer, and may say anything of it all the same.
func TestNilOffer(t *testing.T) {
	reg := prometheus.NewRegistry()
	client := newClient(t, livedeflecttest.New(keys), func(c *rig.Config) { c.Registerer = reg })
	refused := call()
	refused.ANI = "anonymous"
	offer, err := client.Offer(t.Context(), next(refused))
	defer offer.Release() // before the error is looked at
	if offer != nil || !errors.Is(err, deflect.ErrInvalidCall) {
		t.Errorf("Offer = %v, %v", offer, err)
	}
	for name, o := range map[string]*deflect.Offer{"nil": offer, "zero": new(deflect.Offer)} {
		o.End(deflect.Declined, deflect.ReasonDeclineKey)
		o.Release()
		res, err := o.Deflect(t.Context())
		if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonInternal || !deflect.NotSent(err) || !errors.Is(err, deflect.ErrInternal) {
			t.Errorf("%s: Deflect = %+v, %v", name, res, err)
		}
	}
	if got := outcomes(t, reg); len(got) != 0 {
		t.Errorf("counted %v", got)
	}
}

// A backend that panics leaves an offer of which nobody knows what was sent: it is
// counted, and not tried again.
func TestOfferAfterAPanic(t *testing.T) {
	reg := prometheus.NewRegistry()
	client := newClient(t, nil, func(c *rig.Config) {
		c.Registerer, c.Transport = reg, roundTrip(func(*http.Request) (*http.Response, error) { panic("a defect of a transport") })
	})
	o := offer(t, client, call())
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		o.Deflect(t.Context()) //nolint:errcheck // panics
	}()
	res, err := o.Deflect(t.Context())
	if res.Outcome != deflect.Uncertain || !errors.Is(err, deflect.ErrInternal) || deflect.NotSent(err) {
		t.Errorf("Deflect again = %+v, %v", res, err)
	}
	o.Release()
	if diff := cmp.Diff(map[string]float64{"uncertain internal": 1}, outcomes(t, reg)); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// An offer outlives its client by a word: it is counted, and nothing is sent.
func TestOfferOfAClosedClient(t *testing.T) {
	api := livedeflecttest.New(keys)
	client := newClient(t, api, nil)
	o := offer(t, client, call())
	client.Close()
	res, err := o.Deflect(context.Background())
	o.Release()
	if res.Reason != deflect.ReasonShutdown || !errors.Is(err, deflect.ErrClosed) || !deflect.NotSent(err) || len(api.Requests()) != 0 {
		t.Errorf("Deflect = %+v, %v", res, err)
	}
}

// While the breaker is half open, an offer that has ended makes room for another caller,
// also when its caller is only said to have declined.
func TestOfferEndsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		client := newClient(t, api, func(c *rig.Config) { c.Breaker.Failures = 1 })
		api.Inject(livedeflecttest.Fault{Status: 500})
		client.Deflect(t.Context(), call()) //nolint:errcheck // opens the breaker
		time.Sleep(31 * time.Second)
		first := offer(t, client, call())
		if _, err := client.Offer(t.Context(), call()); reasonOf(err) != deflect.ReasonBreakerOpen {
			t.Errorf("beside the offer that is out: %v", err)
		}
		first.End(deflect.Declined, deflect.ReasonDeclineKey)
		second := offer(t, client, call())
		if _, err := second.Deflect(t.Context()); err != nil {
			t.Error(err)
		}
		second.Release()
		offer(t, client, call()).Release()
	})
}
