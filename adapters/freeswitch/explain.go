package freeswitch

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Inquiry is a call that somebody asks about.
type Inquiry struct {
	From, To string            // numbers as the switch has them; From may be "anonymous"
	Vars     map[string]string // channel variables, such as deflect_language; uuid is the id of the call
	At       time.Time         // zero is now
}

// Explanation is what would become of a call, up to the offer.
type Explanation struct {
	Profile  string // that serves the call; empty for none
	Language string // that the caller would hear
	Verdicts []deflect.Verdict
}

// Decision returns the verdict that decides: the first one that refuses, else one
// that passes or asks for another number.
func (e Explanation) Decision() deflect.Verdict {
	decision := deflect.Verdict{Answer: deflect.RulePass}
	for _, v := range e.Verdicts {
		switch v.Answer {
		case deflect.RuleRefuse:
			return v
		case deflect.RuleAsk:
			decision = v
		}
	}
	return decision
}

// Explain tells what a Server of this configuration would decide about a call, by
// the code that serves calls. Cooldowns, budgets and the breaker are those of Config.Client,
// now.
func Explain(ctx context.Context, cfg Config, in Inquiry) (Explanation, error) {
	s, err := cfg.ready()
	if err != nil {
		return Explanation{}, err
	}
	at := in.At
	if at.IsZero() {
		at = time.Now()
	}
	ch := readChannel(asked(in), time.Now(), s.Variables)
	p, v, no, textErr := s.look(&ch)
	var e Explanation
	add := func(rule string, reason deflect.Reason, detail string) {
		answer := deflect.RulePass
		if reason != "" {
			answer = deflect.RuleRefuse
		}
		e.Verdicts = append(e.Verdicts, deflect.Verdict{Rule: rule, Answer: answer, Reason: reason, Detail: detail})
	}
	if no.Reason == deflect.ReasonInvalidCall {
		add("mode", no.Reason, no.err.Error())
	}
	switch {
	case p == nil && ch.profile != "":
		add("profile", deflect.ReasonNoProfile, "there is none of the name in "+profileVariable)
		return e, nil
	case p == nil:
		add("profile", deflect.ReasonNoProfile, "none serves the number dialled")
		return e, nil
	}
	e.Profile, e.Language = p.Name, v.language
	add("profile", "", p.Name+s.profiles.others(&ch, p))
	if no.Reason == deflect.ReasonAlreadyAsked {
		add("asked_before", no.Reason, askedVariable+" says that an earlier pass of this call ended as "+ch.asked)
	}
	for _, verdict := range s.Client.Explain(ctx, *ch.call, at) {
		share := 100 - p.Withhold
		if verdict.Rule == "percent" && in.Vars["uuid"]+in.Vars[externalIDVariable] == "" && share > 0 && share < 100 {
			verdict.Answer, verdict.Reason = deflect.RuleSkip, ""
			verdict.Detail = fmt.Sprintf("%d of 100 calls are offered a text; which ones depends on the id of the call (uuid)", share)
		}
		e.Verdicts = append(e.Verdicts, verdict)
	}
	if textErr != nil {
		add("text", deflect.ReasonInvalidCall, textErr.Error())
	}
	return e, nil
}

// asked are the channel data of an inquiry.
type asked Inquiry

func (a asked) Get(name string) string {
	if v, ok := strings.CutPrefix(name, variablePrefix); ok {
		return a.Vars[v]
	}
	switch name {
	case "Caller-Caller-ID-Number":
		return a.From
	case "Caller-Destination-Number":
		return a.To
	case "Unique-ID":
		return cmp.Or(a.Vars["uuid"], "explain")
	}
	return ""
}

func (a asked) Each(prefix string, fn func(name, value string) bool) {
	for name, value := range a.Vars {
		if name := variablePrefix + name; strings.HasPrefix(name, prefix) && !fn(name, value) {
			return
		}
	}
}
