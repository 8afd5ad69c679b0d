package deflect_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// A Policy that nobody made is the one of NewPolicy("", Rules{}), cooldown included.
func TestZeroPolicy(t *testing.T) {
	made := must(deflect.NewPolicy("", deflect.Rules{}))
	copied := *must(deflect.NewPolicy("sales", deflect.Rules{Countries: []string{"DE"}}))
	for name, zero := range map[string]*deflect.Policy{"literal": {}, "new": new(deflect.Policy)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, livedeflecttest.New(keys), nil)
				with := func(p *deflect.Policy) deflect.Call { c := call(); c.Policy = p; return c }
				for _, v := range client.Explain(t.Context(), with(zero), time.Now()) {
					if v.Answer == deflect.RuleRefuse {
						t.Errorf("Explain: %+v", v)
					}
				}
				offer, err := client.Offer(t.Context(), with(zero))
				if err != nil {
					t.Fatal(err)
				}
				offer.Release()
				if _, err := client.Deflect(t.Context(), with(zero)); err != nil {
					t.Fatal(err)
				}
				// The same cooldown as that of the policy that was made.
				for _, p := range []*deflect.Policy{zero, made} {
					_, offered := client.Offer(t.Context(), with(p))
					_, texted := client.Deflect(t.Context(), with(p))
					if reasonOf(offered) != deflect.ReasonCooldown || reasonOf(texted) != deflect.ReasonCooldown {
						t.Errorf("within the cooldown: Offer %v, Deflect %v", offered, texted)
					}
				}
				time.Sleep(15 * time.Minute)
				if err := client.Check(t.Context(), with(zero)); err != nil {
					t.Errorf("after the cooldown: %v", err)
				}
				if err := client.Check(t.Context(), with(&copied)); reasonOf(err) != deflect.ReasonCountry {
					t.Errorf("a copy of a policy: %v", err)
				}
				if zero.Name() != "" || (*deflect.Policy)(nil).Name() != "" {
					t.Error("the zero Policy has a name")
				}
			})
		})
	}
}

// A Client that New did not make sends nothing, and says so.
func TestZeroClient(t *testing.T) {
	for name, c := range map[string]*deflect.Client{"nil": nil, "zero": {}} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			errs := map[string]error{}
			res, err := c.Deflect(ctx, call())
			errs["Deflect"] = err
			if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonInternal || !deflect.NotSent(err) {
				t.Errorf("Deflect = %+v, %v", res, err)
			}
			offer, err := c.Offer(ctx, call())
			offer.Release()
			errs["Offer"], errs["Check"], errs["Reload"] = err, c.Check(ctx, call()), c.Reload(deflect.Config{})
			_, errs["Preview"] = c.Preview(ctx, call())
			v := c.Settle(ctx, "1", time.Now())
			errs["Settle"] = v.Err
			if v.Result != deflect.SettledUnknown {
				t.Errorf("settled %+v", v)
			}
			for what, err := range errs {
				if !errors.Is(err, deflect.ErrInternal) || deflect.ReasonOf(err) != deflect.ReasonInternal {
					t.Errorf("%s: %v", what, err)
				}
			}
			if v := c.Explain(ctx, call(), time.Now()); len(v) != 1 || v[0].Answer != deflect.RuleRefuse {
				t.Errorf("Explain = %+v", v)
			}
			c.CountOutcome(nil, deflect.Sent, deflect.ReasonOK)
			if c.DefaultRegion() != "" {
				t.Error("it has a region")
			}
			c.Close()
		})
	}
}

// An API that New did not make sends nothing, and says so, with a Client of it too.
func TestZeroAPI(t *testing.T) {
	for name, api := range map[string]*livedeflect.Client{"nil": nil, "zero": {}} {
		t.Run(name, func(t *testing.T) {
			client := must(deflect.New(deflect.Config{Backend: api}))
			defer client.Close()
			errs := map[string]error{"Reload": api.Reload(livedeflect.Config{})}
			res, err := client.Deflect(t.Context(), call())
			errs["Deflect"] = err
			if res.Outcome != deflect.Failed || !deflect.NotSent(err) {
				t.Errorf("Deflect = %+v, %v", res, err)
			}
			n := 0
			for _, err := range api.Report(t.Context(), livedeflect.ReportQuery{From: time.Now().Add(-time.Hour), To: time.Now()}) {
				n++
				errs["Report"] = err
			}
			if n != 1 {
				t.Errorf("%d entries of a report", n)
			}
			v := client.Settle(t.Context(), "1", time.Now())
			errs["Settle"] = v.Err
			if v.Result != deflect.SettledUnknown {
				t.Errorf("settled %+v", v)
			}
			for what, err := range errs {
				if !errors.Is(err, deflect.ErrInternal) || deflect.ReasonOf(err) != deflect.ReasonInternal {
					t.Errorf("%s: %v", what, err)
				}
			}
			if text := must(client.Preview(t.Context(), call())); text.Call.Skill != "sales" {
				t.Errorf("Preview = %+v", text)
			} else if url, body := api.Preview(text); url != "" || body != nil {
				t.Errorf("Preview = %q, %q", url, body)
			}
			if now := time.Now(); !api.Now(now).Equal(now) {
				t.Error("it knows another time")
			}
			api.Close()
		})
	}
}

// Zero values of everything else with methods do not panic, and let nobody through.
func TestZeroValues(t *testing.T) {
	client := newClient(t, livedeflecttest.New(keys), nil)
	if _, err := client.Deflect(t.Context(), deflect.Call{}); !errors.Is(err, deflect.ErrInvalidCall) {
		t.Errorf("the zero Call: %v", err)
	}
	for _, v := range []any{
		deflect.Call{}, livedeflect.Event{}, funnel.Journey{}, deflect.Secret{}, phone.Number(""), deflect.Hours{}, deflect.Verdict{},
		&deflect.Error{}, &livedeflect.ReportError{}, &livedeflect.EventError{}, &deflect.ConfigError{}, &deflect.ValidationError{}, &livedeflect.APIError{},
	} {
		if s := fmt.Sprintf("%v %#v", v, v); s == "" || strings.Contains(s, "PANIC") {
			t.Errorf("%T prints as %s", v, s)
		}
	}
}
