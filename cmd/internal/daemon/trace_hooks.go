package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// The kinds of steps.
const (
	kindCall    = "call"
	kindCommand = "command"
	kindEvent   = "event"
	kindRule    = "rule"
	kindText    = "text"
	kindRequest = "request"
	kindEnd     = "end"
)

// switchHooks hear of calls.
func (t *traces) switchHooks() *freeswitch.Trace {
	return &freeswitch.Trace{
		Call: func(ctx context.Context) (context.Context, func(freeswitch.TracedEnd)) {
			c := t.begin()
			if c == nil {
				return ctx, nil
			}
			return context.WithValue(ctx, tracedKey{}, c), func(e freeswitch.TracedEnd) { t.end(c, e) }
		},
		Known: func(ctx context.Context, k freeswitch.TracedCall) {
			if c := tracedCall(ctx); c != nil {
				t.known(c, k)
			}
		},
		Command: func(ctx context.Context, l freeswitch.TracedLine) {
			if c := tracedCall(ctx); c != nil {
				t.add(c, step{kind: kindCommand, masked: lined(l.Name, l.Masked), whole: lined(l.Name, l.Args)})
			}
		},
		Event: func(ctx context.Context, l freeswitch.TracedLine) {
			if c := tracedCall(ctx); c != nil {
				s := step{kind: kindEvent, masked: lined(l.Name, l.Masked), whole: lined(l.Name, l.Args)}
				if l.Name == "DTMF" {
					s.key = l.Args
				}
				if late := time.Since(l.Switch); !l.Switch.IsZero() && (late > lateEvent || late < -lateEvent) {
					words := fmt.Sprintf(" (%s after the switch says that it was)", late.Round(time.Millisecond))
					s.masked, s.whole = s.masked+words, s.whole+words
				}
				t.add(c, s)
			}
		},
	}
}

// lateEvent is what an event may be under way, or the clocks apart, without a word.
const lateEvent = 500 * time.Millisecond

func lined(name, args string) string { return strings.TrimSpace(name + " " + cut(args)) }

// known takes in what a call is, and keeps it if it is to be traced.
func (t *traces) known(c *traced, k freeswitch.TracedCall) {
	t.keep(c, k.Profile)
	if c.off.Load() {
		return
	}
	t.about(c, k.Call)
	t.change(c, func() {
		c.uuid = strings.Clone(k.UUID)
		if k.Began.Before(c.began) && !k.Began.IsZero() { // whoever waited, and pressed no key
			c.began = k.Began
		}
	})
	mode := cmp.Or(k.Mode, "a mode that there is not")
	if k.Waits {
		mode = "waits in a queue"
	}
	masked := "profile " + cmp.Or(k.Profile, "none") + ", " + mode
	if k.Language != "" {
		masked += ", language " + k.Language
	}
	if k.Asked != "" {
		masked += ", asked before: " + k.Asked
	}
	hidden, whole := described(k.Call)
	t.add(c, step{kind: kindCall, masked: masked + hidden, whole: masked + whole})
}

// about takes in whose call it is.
func (t *traces) about(c *traced, call *deflect.Call) {
	t.change(c, func() {
		c.id, c.number, c.dialed = cut(strings.Clone(call.ExternalCallID)), short(call.ANI), short(call.DNIS)
		for _, n := range []phone.Number{call.ANI, call.NumberOverride} {
			c.numbers = append(c.numbers, short(n))
		}
	})
}

// short is a number, if it has the length of one: others are strangers' texts.
func short(n phone.Number) phone.Number {
	if len(n) > 64 {
		return "?"
	}
	return phone.Number(strings.Clone(string(n)))
}

// described is what the switch has told of a call, without what is about the caller and
// with it.
func described(call *deflect.Call) (masked, whole string) {
	var hidden, shown strings.Builder
	add := func(name, masked, whole string) {
		if whole != "" {
			fmt.Fprintf(&hidden, ", %s %s", name, masked)
			fmt.Fprintf(&shown, ", %s %s", name, whole)
		}
	}
	count := func(s, noun string) string { return fmt.Sprintf("(%d %s)", utf8.RuneCountInString(s), noun) }
	add("from", call.ANI.String(), string(call.ANI))
	add("dialed", call.DNIS.String(), string(call.DNIS))
	add("to be texted", call.NumberOverride.String(), string(call.NumberOverride))
	add("keys before", count(call.Digits, "keys"), call.Digits)
	for _, f := range []struct{ name, value string }{
		{"first name", call.FirstName}, {"last name", call.LastName}, {"customer id", call.CustomerID},
		{"of kind", call.CustomerIDDescriptor}, {"skill", call.Skill}, {"text", call.Text}, {"text tag", call.TextTag},
	} {
		add(f.name, count(f.value, "characters"), f.value)
	}
	if n := len(call.CallerInfo); n > 0 {
		info, err := json.Marshal(call.CallerInfo)
		if err != nil {
			info = []byte("that is no JSON")
		}
		add("caller info", fmt.Sprintf("(%d entries)", n), string(info))
	}
	if call.Wait != nil {
		wait := call.Wait.String()
		add("expected wait", wait, wait)
	}
	if call.Consent {
		add("consent", "given", "given")
	}
	return hidden.String(), shown.String()
}

// end takes in how a call ended. A connection that was none is in no ring.
func (t *traces) end(c *traced, e freeswitch.TracedEnd) {
	if c.off.Load() {
		return
	}
	text := fmt.Sprintf("%s %s", e.Outcome, e.Reason)
	for _, part := range []struct{ name, value string }{
		{"hang-up cause", e.Cause}, {"confirmed", e.Confirmed}, {"prompt heard", e.Heard},
	} {
		if part.value != "" {
			text += ", " + part.name + " " + part.value
		}
	}
	t.add(c, step{kind: kindEnd, masked: caused(text, cause(e.Err))})
	t.change(c, func() { c.ended, c.outcome, c.reason = time.Now(), e.Outcome, e.Reason })
}

func caused(text string, err error) string {
	if err == nil {
		return text
	}
	return text + ": " + err.Error()
}

// engineHooks hear what the engine does about the calls.
func (t *traces) engineHooks() *deflect.Trace {
	return &deflect.Trace{
		Offer: func(ctx context.Context, _ *deflect.Call) (context.Context, func(*deflect.Offer, error)) {
			c := tracedCall(ctx)
			if c == nil {
				return ctx, nil
			}
			began := time.Now()
			return ctx, func(o *deflect.Offer, err error) {
				text := "no offer"
				switch {
				case err == nil && !o.Later.IsZero():
					text = "may be offered, for " + o.Later.Format(time.RFC3339)
				case err == nil && o.NeedsNumber:
					text = "may be offered, to another number"
				case err == nil:
					text = "may be offered"
				default:
					text += " (" + string(deflect.ReasonOf(err)) + ")"
				}
				t.add(c, step{kind: kindText, masked: caused(text+took(began), cause(err))})
			}
		},
		Check: func(ctx context.Context, call *deflect.Call) (context.Context, func(error)) {
			c := tracedCall(ctx)
			if c == nil {
				return ctx, nil
			}
			began, number := time.Now(), cmp.Or(call.NumberOverride, call.ANI)
			return ctx, func(err error) {
				text := "may be asked for, to "
				if err != nil {
					text = "may not be asked for (" + string(deflect.ReasonOf(err)) + "), to "
				}
				t.add(c, step{kind: kindText, masked: caused(text+number.String()+took(began), cause(err)), whole: caused(text+string(short(number))+took(began), cause(err))})
			}
		},
		Deflect: func(ctx context.Context, call *deflect.Call) (context.Context, func(deflect.Result, error)) {
			c := tracedCall(ctx)
			if c == nil {
				return ctx, nil
			}
			if call.NumberOverride != "" {
				n := short(call.NumberOverride)
				t.change(c, func() { c.numbers = append(c.numbers, n) })
			}
			t.add(c, step{kind: kindText, masked: "asked for"})
			return ctx, func(r deflect.Result, err error) { t.came(c, r, err) }
		},
		Later: func(ctx context.Context, call *deflect.Call, tries int) (context.Context, func(deflect.Result, error)) {
			c := t.ofID(call.ExternalCallID)
			if c == nil {
				return ctx, nil // nobody wanted the call to be traced, or it was too long ago
			}
			t.add(c, step{kind: kindText, masked: fmt.Sprintf("that waits is due, after %d tries", tries)})
			return context.WithValue(ctx, tracedKey{}, c), func(r deflect.Result, err error) { t.came(c, r, err) }
		},
		Verdict: func(ctx context.Context, v deflect.Verdict) {
			if c := tracedCall(ctx); c != nil {
				text := fmt.Sprintf("%s: %s", v.Rule, v.Answer)
				if v.Reason != "" {
					text += " (" + string(v.Reason) + ")"
				}
				t.add(c, step{kind: kindRule, masked: text + ", " + v.Detail})
			}
		},
		Ask:     t.request("eligibility: whether a text can be offered to", "can be offered"),
		Attempt: t.request("to text", string(deflect.Sent)),
		Settled: func(s deflect.Settlement) {
			if c := t.ofID(s.ExternalCallID); c != nil {
				t.add(c, step{kind: kindText, masked: caused(fmt.Sprintf("in doubt is settled: %s, after %d lookups in %s", s.Result, s.Lookups, s.Took.Round(time.Millisecond)), s.Err)})
			}
		},
	}
}

// came takes in what a text came to.
func (t *traces) came(c *traced, r deflect.Result, err error) {
	text := fmt.Sprintf("%s %s", r.Outcome, r.Reason)
	if r.Repeated {
		text += ", as before: none was sent now"
	}
	if r.CallID != "" {
		text += ", call " + r.CallID + " of the API"
		t.change(c, func() { c.apiID = r.CallID })
	}
	t.add(c, step{kind: kindText, masked: caused(text+fmt.Sprintf(", requests: %d, %s", r.Attempts, r.Duration.Round(time.Millisecond)), cause(err))})
}

// cause is that of an error whose reason was said.
func cause(err error) error {
	if e, is := err.(*deflect.Error); is {
		return e.Err
	}
	return err
}

// request hears of one request; well is what it says of one that succeeds.
func (t *traces) request(what, well string) func(context.Context, *deflect.Text) (context.Context, func(deflect.Attempt)) {
	return func(ctx context.Context, text *deflect.Text) (context.Context, func(deflect.Attempt)) {
		c := tracedCall(ctx)
		if c == nil {
			return ctx, nil
		}
		began, n := time.Now(), text.Customer.E164
		t.add(c, step{kind: kindRequest, masked: what + " " + phone.Number(n).String(), whole: what + " " + n})
		return ctx, func(a deflect.Attempt) {
			words := fmt.Sprintf("%s %s", a.Outcome, a.Reason)
			if a.Outcome == deflect.Sent {
				words = well + " " + string(a.Reason)
			}
			if a.Status != 0 {
				words += fmt.Sprintf(", status %d", a.Status)
			}
			if a.RetryAfter > 0 {
				words += ", retry after " + a.RetryAfter.String()
			}
			t.add(c, step{kind: kindRequest, masked: caused(words+took(began), a.Err)})
		}
	}
}

func took(began time.Time) string {
	return fmt.Sprintf(", %s", time.Since(began).Round(time.Millisecond/10))
}
