package deflect

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shift is whether agents are on shift.
type shift struct{ on, known bool }

func (s shift) OnShift() (bool, bool) { return s.on, s.known }

func TestAgentsRule(t *testing.T) {
	for _, tt := range []struct {
		rules  Rules
		want   Reason // of the offer; "" for one
		detail string
	}{
		{Rules{}, "", "any"},
		{Rules{Agents: shift{true, true}}, "", "on shift"},
		{Rules{Agents: shift{false, true}}, ReasonOffShift, "no agent is on shift"},
		{Rules{Agents: shift{false, true}, AgentsUnknown: RefuseUnknown}, ReasonOffShift, "no agent is on shift"},
		{Rules{Agents: shift{}}, "", "nobody knows whether one is on shift"},
		{Rules{Agents: shift{true, false}, AgentsUnknown: RefuseUnknown}, ReasonShiftUnknown, "nobody knows whether an agent is on shift"},
	} {
		d := &desk{name: "desk"}
		c := testClient(t, func(cfg *Config) { cfg.Backend = d })
		call := validCall()
		call.Policy = salesPolicy(t, tt.rules)
		o, err := c.Offer(t.Context(), call)
		if tt.want == "" && err != nil || tt.want != "" && (ReasonOf(err) != tt.want || o != nil) {
			t.Errorf("%+v: %v", tt.rules.Agents, err)
		}
		if tt.want != "" {
			wantWent(t, d, "an offer that is refused") // who has no agents need not be asked about
		}
		for _, v := range c.Explain(t.Context(), call, time.Now()) {
			if v.Rule == "agents" && v.Detail != tt.detail {
				t.Errorf("explained: %+v, want %q", v, tt.detail)
			}
		}
		// The key is pressed: an offer that was made is kept.
		if _, err := c.Deflect(t.Context(), call); err != nil {
			t.Errorf("Deflect: %v", err)
		}
	}
}

// Who calls while it is closed is not asked whether agents are on shift: the text waits.
func TestAgentsRuleWhenClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Agents = shift{false, true}
		policy, j := salesPolicy(t, rules), newMemoryJournal(10)
		c := testClient(t, func(cfg *Config) { cfg.Journal, cfg.Policies = j, []*Policy{policy} })
		on(t, "2000-01-02 20:00:00")
		call := callNow("a", 1)
		call.Policy = policy
		if o, err := c.Offer(t.Context(), call); err != nil || o.Later.IsZero() {
			t.Errorf("%+v, %v", o, err)
		}
		on(t, "2000-01-03 10:00:00")
		call = callNow("b", 1)
		call.Policy = policy
		if _, err := c.Offer(t.Context(), call); ReasonOf(err) != ReasonOffShift {
			t.Errorf("while it is open: %v", err)
		}
	})
}

// Two policies whose shares add up to 100 points take each call once, and callers of both
// have one cooldown and one budget.
func TestPoliciesSplitTheCalls(t *testing.T) {
	old := must(NewPolicy("old", Rules{Withhold: 10, Shared: "sales"}))
	sales := must(NewPolicy("sales", Rules{Withhold: 90, From: 90}))
	part := must(NewPolicy("part", Rules{Withhold: 95, From: 40}))
	c := testClient(t, nil)
	seen := map[Reason]int{}
	for i := range 1000 {
		id := fmt.Sprint("call-", i)
		at := point(id)
		if old.Samples(id) == sales.Samples(id) {
			t.Fatalf("%s at %d is of both, or none", id, at)
		}
		if sales.Samples(id) != (at >= 90) || part.Samples(id) != (at >= 40 && at < 45) {
			t.Fatalf("%s at %d: %v, %v", id, at, sales.Samples(id), part.Samples(id))
		}
		for _, p := range []*Policy{old, sales, part} {
			call := callNow(id, i)
			call.Policy = p
			o, err := c.Offer(t.Context(), call)
			if o.Release(); (err == nil) != p.Samples(id) || err != nil && ReasonOf(err) != ReasonNotSampled {
				t.Fatalf("%s of %s: %v", id, p.Name(), err)
			}
			if err == nil {
				seen[Reason(p.Name())]++
			}
		}
	}
	if seen["old"] < 800 || seen["sales"] < 50 || seen["part"] < 20 {
		t.Errorf("offered %v", seen)
	}
	if !(*Policy)(nil).Samples("x") || !(&Policy{}).Samples("x") {
		t.Error("without rules a call is withheld")
	}
}

func TestFromIsValidated(t *testing.T) {
	for want, r := range map[string]Rules{
		"":                {Withhold: 90, From: 90},
		"From: is 91":     {Withhold: 90, From: 91},
		"From: is 1":      {From: 1},
		"From: is -1":     {Withhold: 50, From: -1},
		"AgentsUnknown":   {AgentsUnknown: 2},
		"Shared: is the ": {Shared: "\xff"},
	} {
		got := ""
		if err := r.Validate(); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
}

func TestSharedCooldownAndBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := Budget{Texts: 2, Per: time.Hour}
		of := func(name, shared string) *Policy {
			return must(NewPolicy(name, Rules{Shared: shared, Budget: budget, Later: Later{Failed: time.Hour}}))
		}
		one, other, alone := of("one", "both"), of("other", "both"), of("alone", "")
		api := &told{}
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Journal, cfg.Policies = api, newMemoryJournal(10), []*Policy{one, other, alone}
		})
		n := 0
		text := func(p *Policy, ani int) Result {
			n++
			call := callNow(fmt.Sprint(n), ani)
			call.Policy = p
			res, _ := c.Deflect(t.Context(), call)
			return res
		}
		api.tell(always(Failed, ReasonUnreachable))
		if res := text(one, 1); res.Outcome != Deferred { // which has its place in the budget of both
			t.Fatalf("%+v", res)
		}
		api.tell(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, tt := range []struct {
			policy *Policy
			ani    int
			want   Reason
		}{{other, 1, ReasonCooldown}, {alone, 1, ReasonOK}, {other, 2, ReasonOK}, {other, 3, ReasonBudget}, {one, 4, ReasonBudget}, {alone, 5, ReasonOK}} {
			if res := text(tt.policy, tt.ani); res.Reason != tt.want {
				t.Errorf("%s to %d: %+v, want %s", tt.policy.Name(), tt.ani, res, tt.want)
			}
		}
	})
}

// A text that waited and is dropped before it is asked for leaves its place to all who share
// the budget.
func TestSharedPlaceIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := salesPolicy(t, Rules{NoCooldown: true, Shared: "both", Budget: Budget{Texts: 1, Per: time.Hour}, Later: Later{Failed: time.Hour}})
		api := &told{send: always(Failed, ReasonUnreachable)}
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Journal, cfg.Policies = api, newMemoryJournal(10), []*Policy{p}
		})
		call := callNow("a", 1)
		call.Policy = p
		if res, _ := must(c.Offer(t.Context(), call)).Deflect(t.Context()); res.Outcome != Deferred {
			t.Fatalf("%+v", res)
		}
		strict := salesPolicy(t, Rules{NoCooldown: true, Shared: "both", Budget: Budget{Texts: 1, Per: time.Hour}, Countries: []string{"DE"}})
		cfg := c.setup.Load().Config
		cfg.Policies = []*Policy{strict}
		if err := c.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		call.ExternalCallID = "b"
		if o, err := c.Offer(t.Context(), call); err != nil {
			t.Errorf("the next call: %v", err)
		} else {
			o.Release()
		}
	})
}

// What a call says to some backends is bounded like all else that it says.
func TestFieldsOfSomeBackends(t *testing.T) {
	many := map[string]string{}
	for i := range 33 {
		many[fmt.Sprint(i)] = "x"
	}
	for want, change := range map[string]func(*Call){
		"": func(c *Call) {
			c.HandoffID, c.ConsumerID = "H123456789012345", strings.Repeat("é", 255)
			c.TemplateVariables = map[string]string{"1": strings.Repeat("é", 1024), "12": "", "100": "x"}
		},
		"HandoffID has 17 characters; at most 16":                                    func(c *Call) { c.HandoffID = "H1234567890123456" },
		"HandoffID holds invalid UTF-8 or control characters":                        func(c *Call) { c.HandoffID = "H\n" },
		"ConsumerID has 256 characters; at most 255":                                 func(c *Call) { c.ConsumerID = strings.Repeat("é", 256) },
		"ConsumerID holds invalid UTF-8 or control characters":                       func(c *Call) { c.ConsumerID = "a\x00" },
		"TemplateVariables holds 33 variables; at most 32":                           func(c *Call) { c.TemplateVariables = many },
		"TemplateVariables has a name that is not of one to three digits, such as 1": func(c *Call) { c.TemplateVariables = map[string]string{"1": "", "name": "x"} },
		"TemplateVariables[2] has 1025 characters; at most 1024":                     func(c *Call) { c.TemplateVariables = map[string]string{"1": "", "2": strings.Repeat("x", 1025)} },
		"TemplateVariables[7] holds invalid UTF-8 or control characters":             func(c *Call) { c.TemplateVariables = map[string]string{"7": "\xff"} },
	} {
		call := validCall()
		change(&call)
		_, problems := testClient(t, nil).setup.Load().validate(call, time.Now())
		got := ""
		if len(problems) > 0 {
			got = problems.Error()
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Every field of a call whose text waits is what it was.
func TestWaitingCallIsWhole(t *testing.T) {
	c := testClient(t, nil)
	call := validCall()
	call.Start, call.Accepted = call.Start.Round(0), time.Now().Round(0)
	wait := time.Minute
	call.NumberOverride, call.TextTag, call.FirstName, call.LastName = "+14043438647", "tag", "Ann", "Lee"
	call.CustomerID, call.CustomerIDDescriptor, call.Wait, call.Consent = "7", "crm", &wait, true
	call.HandoffID, call.ConsumerID, call.TemplateVariables = "H1", "ann", map[string]string{"1": "x"}
	call.CallerInfo = map[string]any{}
	for i, v := 0, reflect.ValueOf(call); i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Policy" {
			t.Errorf("the test does not set %s", name)
		}
	}
	s := c.setup.Load()
	text, problems := s.validate(call, time.Now())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	data, err := s.callData(text, "token")
	if err != nil {
		t.Fatal(err)
	}
	got, token, err := readCall(Entry{ExternalCallID: call.ExternalCallID, Data: data})
	if err != nil || token != "token" {
		t.Fatal(token, err)
	}
	diff := cmp.Diff(fmt.Sprintf("%#v", plain(call)), fmt.Sprintf("%#v", plain(got)))
	if diff != "" {
		t.Errorf("(-was +is):\n%s", diff)
	}
}

// plain is a call as all of it can be compared.
func plain(c Call) map[string]any {
	all := map[string]any{}
	for i, v := 0, reflect.ValueOf(c); i < v.NumField(); i++ {
		value := v.Field(i).Interface()
		switch x := value.(type) {
		case time.Time:
			value = x.UnixNano()
		case *time.Duration:
			value = *x
		default:
			if v.Field(i).Kind() == reflect.String {
				value = v.Field(i).String()
			}
		}
		all[v.Type().Field(i).Name] = value
	}
	return all
}
