package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

type explainCmd struct {
	Config string            `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration of deflectd."`
	From   string            `required:"" placeholder:"NUMBER" help:"The caller's number as the switch has it; 'anonymous' for a hidden one."`
	To     string            `required:"" placeholder:"NUMBER" help:"The number that was dialled."`
	At     string            `placeholder:"TIME" help:"When: RFC 3339, such as 2026-11-21T17:30:00-05:00, or seconds or milliseconds since 1970 (default: now)."`
	Var    map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Channel variable that the dialplan has set; repeat it for more. uuid is the call's id."`
	portFlags
}

// Help is shown below the usage.
func (explainCmd) Help() string {
	return `Each rule with its verdict, by the code that serves calls; the first NO decides. With state.dir, what is remembered of
the caller (a cooldown, a text that waits or is in doubt) is told as by 'deflectctl state list'; with redis, the fleet is
asked for cooldowns, the budget and its do-not-text list; with agents: on_shift, LivePerson is asked who is, for now. The
breaker is known to the running deflectd alone, and whether the caller is eligible to Connect to Messaging, which is asked
when a call comes. Numbers are masked. Nothing else is contacted. Exit code 0 for any verdict.

  deflectctl explain --config deflectd.yaml --from +14043438646 --to +18005550100 --at 2026-12-25T10:00:00-05:00`
}

// Run explains a call.
func (c *explainCmd) Run(a *app) error {
	in := freeswitch.Inquiry{From: c.From, To: c.To, Vars: c.Var, At: time.Now()}
	if c.At != "" {
		at, err := parseInstant(c.At)
		if err != nil {
			return usage("--at %w", err)
		}
		in.At = at
	}
	file, keyed, err := c.loadToAsk(a)
	if err != nil {
		return err
	}
	var shared error // why the fleet does not tell
	if file.Fleet != nil {
		var f *fleet.Fleet
		if f, shared = openFleet(a.ctx, file); shared == nil {
			defer f.Close()
			file.Deflect.Cooldowns, file.Deflect.Budgets = f.Cooldowns(), f.Budgets()
			file = file.WithOptOuts(lists(f))
		} else {
			file = file.WithOptOuts(func(string) deflect.DoNotText { return nil })
		}
	}
	// By the rules of texts that wait, without those that do: nothing may be sent from here.
	all, file, err := openAPIs(file, apis.Options{})
	if err != nil {
		return err
	}
	if file.Deflect.Policies, err = file.Policies(); err != nil {
		return err
	}
	file.Deflect.Journal = noJournal{}
	client, err := newClient(file, all)
	if err != nil {
		return err
	}
	defer client.Close()
	file.FreeSWITCH.Client = client.Client
	explained, err := freeswitch.Explain(a.ctx, file.FreeSWITCH, in)
	if p := profileOf(file, explained.Profile); err == nil && keyed && p.Agents != nil && hasShift(a.ctx, p) {
		explained, err = freeswitch.Explain(a.ctx, file.FreeSWITCH, in)
	}
	if err != nil {
		return err
	}
	known := c.remembered(a, file, in)
	known.shared, known.shift = shared, keyed
	known.judge(&explained, file, in.At)
	fmt.Fprint(a.stdout, c.text(file, in, explained, known))
	return nil
}

// shiftWait is how long an explanation waits for the shift status.
const shiftWait = 4 * time.Second

// hasShift waits until it is known who is on shift for a profile: the first question is never
// answered at once.
func hasShift(ctx context.Context, p freeswitch.Profile) (known bool) {
	ctx, cancel := context.WithTimeout(ctx, shiftWait)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, known := p.Agents.OnShift(); known || ctx.Err() != nil {
			return known
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// loadToAsk is a configuration with its secrets, if they are needed here and can be read.
func (c *explainCmd) loadToAsk(a *app) (file config.File, keyed bool, err error) {
	file, err = loadKeyless(a, c.Config)
	if err != nil || file.Shifts == nil {
		return file, false, err
	}
	if full, err := config.Load(c.Config, a.getenv); err == nil {
		return full, true, nil
	}
	file.Shifts = nil
	return file, false, nil
}

func profileOf(file config.File, name string) (p freeswitch.Profile) {
	for _, p = range file.FreeSWITCH.Profiles {
		if p.Name == name {
			return p
		}
	}
	return freeswitch.Profile{}
}

// noJournal is a journal that nothing is in, and that takes nothing.
type noJournal struct{}

func (noJournal) Find(context.Context, string) (deflect.Entry, error) { return deflect.Entry{}, nil }
func (noJournal) Change(context.Context, deflect.State, deflect.Entry) (bool, error) {
	return false, errors.ErrUnsupported
}
func (noJournal) Note(deflect.Entry)                            {}
func (noJournal) Open(context.Context) ([]deflect.Entry, error) { return nil, nil }

// memory is what the state says of a caller.
type memory struct {
	state.Listing
	from string // who told; "" without a journal
	err  error  // why nobody did

	shared error // why the fleet does not tell what it knows, nil where it does
	shift  bool  // the secrets are there, with which it is asked who is on shift
}

// remembered asks the state about the numbers of a call: the caller's, and the one that
// is texted in its place.
func (c *explainCmd) remembered(a *app, file config.File, in freeswitch.Inquiry) (m memory) {
	if file.StateDir == "" {
		return m
	}
	k, from, done, err := c.openState(file, toRead)
	if err != nil {
		m.err = err
		return m
	}
	defer done()
	m.from = from + besides(file)
	asked := map[string]bool{}
	for _, n := range []string{in.From, in.Vars["deflect_number"]} {
		spellings, err := state.Spellings(n, file.Deflect.DefaultRegion)
		if err != nil || asked[spellings[0]] {
			continue // hidden, or no number: nothing is kept of those
		}
		asked[spellings[0]] = true
		l, err := k.About(a.ctx, spellings[0])
		if err != nil {
			return memory{err: remoteTrouble(k, file, err)}
		}
		m.Texts, m.Cooldowns = append(m.Texts, l.Texts...), append(m.Cooldowns, l.Cooldowns...)
	}
	return m
}

// judge corrects the verdict on the cooldown, which only the state knows, unless the fleet
// does; and on a shift that is not known here.
func (m memory) judge(e *freeswitch.Explanation, file config.File, at time.Time) {
	for i := range e.Verdicts {
		if v := &e.Verdicts[i]; v.Reason == deflect.ReasonShiftUnknown {
			v.Answer, v.Reason = deflect.RulePass, ""
		}
	}
	if m.from == "" || file.Fleet != nil {
		return
	}
	keeper := cmp.Or(profileOf(file, e.Profile).Shared, e.Profile) // of the cooldown
	for i := range e.Verdicts {
		v := &e.Verdicts[i]
		if v.Rule != "cooldown" || v.Answer != deflect.RulePass || file.Cooldown(e.Profile) == 0 {
			continue
		}
		v.Detail = "not texted lately, by the state"
		for _, c := range m.Cooldowns {
			if c.Profile == keeper && c.Until.After(at) && !at.Before(c.Until.Add(-file.Cooldown(e.Profile))) {
				v.Answer, v.Reason = deflect.RuleRefuse, deflect.ReasonCooldown
				v.Detail = "was, or may have been, texted: until " + when(&c.Until)
			}
		}
	}
}

// text tells the explanation: the answer first, then each rule.
func (c *explainCmd) text(file config.File, in freeswitch.Inquiry, e freeswitch.Explanation, known memory) string {
	var b strings.Builder
	switch d := e.Decision(); d.Answer {
	case deflect.RuleRefuse:
		fmt.Fprintf(&b, "NO: not offered a text, because of %s (%s)\n\n", d.Rule, d.Reason)
	case deflect.RuleAsk:
		fmt.Fprintf(&b, "YES: offered a text, and asked for another number (%s), as far as is known here\n\n", d.Reason)
	default:
		fmt.Fprint(&b, "YES: offered a text, as far as is known here\n\n")
	}
	fmt.Fprintf(&b, "caller %s dials %s at %s", phone.Number(c.From), phone.Number(c.To), in.At.Format(time.RFC3339))
	if e.Language != "" {
		fmt.Fprintf(&b, ", hears %s", e.Language)
	}
	fmt.Fprint(&b, "\n\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "rule\tverdict\tbecause")
	for _, v := range e.Verdicts {
		answer, detail := answers[v.Answer], v.Detail
		if v.Answer == deflect.RuleRefuse || v.Answer == deflect.RuleAsk {
			detail = fmt.Sprintf("%s: %s", v.Reason, v.Detail)
		}
		if where := known.elsewhere(v.Rule, e.Profile, file); where != "" && v.Answer == deflect.RulePass {
			answer, detail = "?", where
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.Rule, answer, detail)
	}
	if e.Profile != "" && apis.Of(file, e.Profile) == config.C2M {
		fmt.Fprintln(w, "eligibility\t?\tasked of Connect to Messaging when a caller comes whom all other rules let through")
	}
	w.Flush()
	switch {
	case known.err != nil:
		fmt.Fprintf(&b, "\nWhat is remembered of the caller could not be looked up: %v\n", known.err)
	case known.from != "":
		fmt.Fprintf(&b, "\nRemembered of the caller: %s", listText(known.Listing, known.from))
	}
	return b.String()
}

var answers = map[deflect.RuleAnswer]string{
	deflect.RulePass: "yes", deflect.RuleRefuse: "NO", deflect.RuleAsk: "ask", deflect.RuleSkip: "-",
}

// elsewhere says who knows what a rule goes by; "" where it is known here.
func (m memory) elsewhere(rule, profile string, file config.File) string {
	p := profileOf(file, profile)
	shared := false // with the fleet
	switch rule {
	case "agents":
		if p.Agents == nil {
			return ""
		} else if _, known := p.Agents.OnShift(); known {
			return ""
		} else if !m.shift {
			return "known to the running deflectd: here the secrets cannot be read, with which the shift status is asked"
		}
		return "the shift status could not be asked: deflectctl doctor"
	case "breaker":
		return "known to the running deflectd: deflect_breaker_state"
	case "cooldown":
		if file.Cooldown(profile) == 0 {
			return ""
		}
		shared = file.Fleet != nil
	case "budget":
		if p.Budget == (deflect.Budget{}) {
			return ""
		}
		shared = file.Fleet != nil
	case "do_not_text":
		if file.OptOutSet(profile) == "" {
			return ""
		}
		shared = true
	default:
		return ""
	}
	switch {
	case shared && m.shared != nil:
		return "known to the fleet: " + visible(m.shared.Error(), 500)
	case shared || rule == "cooldown" && m.from != "":
		return ""
	case rule == "budget":
		return "how many texts went out lately is known to the running deflectd; its log tells"
	}
	return "whether the caller was texted lately is known to the running deflectd; its log tells"
}
