package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

type explainCmd struct {
	Config string            `required:"" placeholder:"FILE" help:"Configuration of deflectd."`
	From   string            `required:"" placeholder:"NUMBER" help:"The caller's number as the switch has it; 'anonymous' for a hidden one."`
	To     string            `required:"" placeholder:"NUMBER" help:"The number that was dialled."`
	At     string            `placeholder:"TIME" help:"When: RFC 3339, such as 2026-11-21T17:30:00-05:00, or seconds or milliseconds since 1970 (default: now)."`
	Var    map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Channel variable that the dialplan has set; repeat it for more. uuid is the call's id."`
}

// Help is shown below the usage.
func (explainCmd) Help() string {
	return `Each rule with its verdict, by the code that serves calls; the first NO decides. What a running deflectd remembers
(cooldowns, the breaker) is not known here. Numbers are masked. Nothing is contacted. Exit code 0 for any verdict.

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
	file, err := loadConfig(a, c.Config)
	if err != nil {
		return err
	}
	client, err := newClient(file)
	if err != nil {
		return err
	}
	defer client.Close()
	file.FreeSWITCH.Client = client.Client
	explained, err := freeswitch.Explain(a.ctx, file.FreeSWITCH, in)
	if err != nil {
		return err
	}
	fmt.Fprint(a.stdout, c.text(file, in, explained))
	return nil
}

// text tells the explanation: the answer first, then each rule.
func (c *explainCmd) text(file config.File, in freeswitch.Inquiry, e freeswitch.Explanation) string {
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
		if where := remembered[v.Rule]; where != "" && v.Answer == deflect.RulePass && !(v.Rule == "cooldown" && file.NoCooldown(e.Profile)) {
			answer, detail = "?", where
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.Rule, answer, detail)
	}
	w.Flush()
	return b.String()
}

var answers = map[deflect.RuleAnswer]string{
	deflect.RulePass: "yes", deflect.RuleRefuse: "NO", deflect.RuleAsk: "ask", deflect.RuleSkip: "-",
}

// remembered is where to look for what only a running deflectd knows.
var remembered = map[string]string{
	"cooldown": "whether the caller was texted lately is known to the running deflectd; its log tells",
	"breaker":  "known to the running deflectd: deflect_breaker_state",
}
