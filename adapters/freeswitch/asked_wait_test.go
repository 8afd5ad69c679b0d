package freeswitch_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

var app = c2mtest.Config{Account: "38856538", ClientID: "client", ClientSecret: "client-s3cret"}

// messaging is Connect to Messaging, with a token and a host that have to be asked for first.
func messaging(t testing.TB, api *c2mtest.Server, rate c2m.Rate) *c2m.Client {
	t.Helper()
	domains, err := liveperson.NewDomains(liveperson.DomainsConfig{Account: app.Account, Transport: api})
	if err != nil {
		t.Fatal(err)
	}
	client, err := c2m.New(c2m.Config{
		Account: app.Account, HandoffID: "H123456789", Domains: domains, Transport: api, Rate: rate,
		Auth: &liveperson.OAuth2{
			Account: app.Account, ClientID: app.ClientID, ClientSecret: deflect.NewSecret(app.ClientSecret), Domains: domains,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// slow is a store of everything that a fleet shares, which answers late, and an empty list of
// those who want no texts.
type slow time.Duration

func (s slow) wait(ctx context.Context) error {
	select {
	case <-time.After(time.Duration(s)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slow) Held(ctx context.Context, _ string) (bool, error) { return false, s.wait(ctx) }

func (s slow) Release(ctx context.Context, _, _ string) error { return s.wait(ctx) }

func (s slow) Holds(ctx context.Context, _ string) (bool, error) { return false, s.wait(ctx) }

type slowCooldowns struct{ slow }

func (s slowCooldowns) Take(ctx context.Context, _, _ string, _ time.Duration) (bool, error) {
	return true, s.wait(ctx)
}

type slowBudgets struct{ slow }

func (s slowBudgets) Left(ctx context.Context, _ string, _ deflect.Budget) (bool, error) {
	return true, s.wait(ctx)
}

func (s slowBudgets) Take(ctx context.Context, _, _ string, _ deflect.Budget) (bool, error) {
	return true, s.wait(ctx)
}

type slowRate struct{ slow }

func (s slowRate) Take(ctx context.Context) (bool, error) { return true, s.wait(ctx) }

// slowly has all that is asked before the API answer late.
func slowly(list, cooldowns, budgets time.Duration) func(*deflect.Config, *freeswitch.Profile) {
	return func(d *deflect.Config, p *freeswitch.Profile) {
		d.Cooldowns, d.Budgets = slowCooldowns{slow(cooldowns)}, slowBudgets{slow(budgets)}
		p.Rules = deflect.Rules{DoNotText: slow(list), Budget: deflect.Budget{Texts: 100, Per: time.Hour}}
	}
}

// TestWaitsUnanswered: whatever is slow before an offer, alone or together, its caller is back
// in the dialplan at the deadline, and not an instant later: not answered, and without a prompt.
func TestWaitsUnanswered(t *testing.T) {
	const (
		deadline, never = 700 * time.Millisecond, time.Hour
		unknown         = "ineligible eligibility_unknown"
		aFrame          = 20 * time.Millisecond // in which the switch lets the dialplan go on
	)
	hang := c2mtest.Fault{Hang: true}
	const some = 100 * time.Millisecond
	late := c2mtest.Fault{Delay: some}
	for _, tt := range []struct {
		name   string
		faults map[string]c2mtest.Fault
		change func(*deflect.Config, *freeswitch.Profile)
		rate   time.Duration
		ends   string
	}{
		{"eligibility", map[string]c2mtest.Fault{"eligibility": hang}, nil, 0, unknown},
		{"the end of its answer", map[string]c2mtest.Fault{"eligibility": {HangAfterProcessing: true, Truncate: true}}, nil, 0, unknown},
		{"eligibility, by an instant", map[string]c2mtest.Fault{"eligibility": {Delay: deadline + 1}}, nil, 0, unknown},
		{"the token", map[string]c2mtest.Fault{"token": hang}, nil, 0, "failed unauthorized"},
		{"the Domain API", map[string]c2mtest.Fault{"domain": hang}, nil, 0, unknown},
		{"the rate", nil, nil, never, unknown},
		{"all of the API", map[string]c2mtest.Fault{"domain": late, "token": late, "eligibility": {Delay: 3*some + 1}}, nil, some, unknown},
		{"Redis, then eligibility", map[string]c2mtest.Fault{"eligibility": hang}, slowly(some, some, some), some, unknown},
		{"Redis, then the token", map[string]c2mtest.Fault{"token": hang}, slowly(some, some, some), 0, "failed unauthorized"},
		{"Redis, then the Domain API", map[string]c2mtest.Fault{"domain": hang}, slowly(some, some, some), 0, unknown},
		{"Redis, until there is no time", nil, slowly(some, some, some), deadline - 3*some, unknown},
		{"the list", nil, slowly(never, 0, 0), 0, "ineligible opted_out"},
		{"the cooldowns", nil, slowly(some, never, 0), 0, "ineligible cooldown_unknown"},
		{"the budgets", nil, slowly(some, some, never), 0, "ineligible budget_unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := func(d *deflect.Config, c *freeswitch.Config) {
				api := c2mtest.New(app)
				for call, f := range tt.faults {
					api.SetFault(call, &f)
				}
				d.Backend = messaging(t, api, slowRate{slow(tt.rate)})
				if tt.change != nil {
					tt.change(d, &c.Profiles[0])
				}
			}
			inBubble(t, change, func(t *testing.T, r *rig) {
				res := r.run(caller(accept()))
				if res.ContinuedAfter != deadline+aFrame || res.Answered || len(res.Played) > 0 {
					t.Errorf("back after %s, answered %v, played %v", res.ContinuedAfter, res.Answered, res.Played)
				}
				for _, c := range res.Commands {
					_, app, is := strings.Cut(c, "execute-app-name: ")
					if app, _, _ = strings.Cut(app, "\n"); is && app != "multiset" && app != "unset" { // variables
						t.Errorf("the switch was told to %s", app)
					}
				}
				o, reason, _ := strings.Cut(tt.ends, " ")
				r.wantOutcome(res, deflect.Outcome(o), deflect.Reason(reason))
				time.Sleep(time.Minute) // for what is fetched beside calls
			})
		})
	}
}
