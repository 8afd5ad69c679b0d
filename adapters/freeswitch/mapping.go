package freeswitch

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// Modes of a call, from the channel variable deflect_mode.
const (
	modeOffer    = "offer"    // the caller is offered a text by us
	modeAccepted = "accepted" // a menu before us collected the key
)

// Limits of what is taken from the channel, in bytes. Names and caller info are
// decoration and are cut; ids over the limit of the call's validation are refused
// there, and so is a text, which is taken whole.
const (
	maxName      = 100
	maxID        = 255
	maxValue     = 2048
	maxText      = 1 << 20
	maxInfoKeys  = 64
	maxInfoValue = 1024
	maxTemplate  = 33 // one more than a call may have
)

// channel is what the channel data say, decoded once and cleaned. Nothing of it
// gets into a command.
type channel struct {
	uuid     string // as logs show it
	mode     string
	profile  string // name asked for by the channel, "" without
	answered bool
	asked    string // what the caller answered in an earlier pass of this call
	language string // asked for by the channel, "" without
	pressed  string // by a caller who waits, before the accept digit
	watched  bool   // the dialplan has a watchdog, and goes on by socket_resume alone
	released bool   // the watchdog has let the call go on, before we looked at it
	forged   bool   // somebody has had a hand in the channel data: nothing in them is believed
	waits    bool   // the caller waits in a queue, and has pressed the key there
	unheard  error  // why no key of the caller could be heard
	advice   string // what the dialplan should say, for the log
	dialed   []phone.Number
	call     *deflect.Call // of the offer, once there is one. Policy, DNIS, Skill, Text and TextTag lack the profile's
}

// headers are channel data; an esl.Event has them.
type headers interface {
	Get(name string) string // "" without
	Each(prefix string, fn func(name, value string) bool)
}

// readChannel maps channel data to a call. Of a browser's call, of all variables
// only those named in counting count.
func readChannel(data headers, now time.Time, counting []string) channel {
	e := guard(data, counting)
	v := func(name string) string { return clean(e.variable(name), maxValue, "") }
	ch := channel{
		uuid:     e.Get("Unique-ID"),
		mode:     v(modeVariable),
		profile:  v(profileVariable),
		answered: e.Get("Answer-State") == "answered",
		asked:    v(askedVariable),
		language: v(languageVariable),
	}
	if ch.mode == "" {
		ch.mode = modeOffer
	}
	if variableOf(e, watchdogVariable) != "" {
		ch.watched = isTrue(variableOf(e, resumeVariable))
		// Else the dialplan has left the one or the other away, and the call is here.
		ch.released = !ch.watched && variableOf(e, applicationVariable) != "socket"
	}
	ch.dialed = dialedNumbers(e)
	ch.call = &deflect.Call{
		ANI:                  callerNumber(e),
		NumberOverride:       phone.Number(v(numberVariable)),
		Digits:               keepDigits(e.variable(digitsVariable)),
		Start:                startTime(e.Get("Caller-Channel-Created-Time"), now),
		ExternalCallID:       v(externalIDVariable),
		Skill:                v(skillVariable),
		Text:                 clean(e.variable(textVariable), maxText, "\n"),
		TextTag:              v(textTagVariable),
		FirstName:            clean(e.variable(firstNameVariable), maxName, ""),
		LastName:             clean(e.variable(lastNameVariable), maxName, ""),
		CustomerID:           v(customerIDVariable),
		CustomerIDDescriptor: v(descriptorVariable),
		CallerInfo:           callerInfo(e),
		TemplateVariables:    templateVariables(e),
		ConsumerID:           v(consumerVariable),
		Wait:                 waitTime(v(waitVariable)),
		Consent:              v(consentVariable) == "true",
	}
	if ch.call.ExternalCallID == "" {
		ch.call.ExternalCallID = clean(ch.uuid, maxID, "")
	}
	ch.uuid = deflect.LogID(ch.uuid)
	if ch.forged = e.forged; ch.forged {
		ch.call.ANI, ch.call.NumberOverride = nobody, ""
	}
	return ch
}

// ids are the attributes of log lines that name the call: call_id, which is that of all
// its lines, also those of package deflect, and the channel's where that is another one.
func (ch *channel) ids() []any {
	if ch.call == nil {
		return nil // nothing is known yet
	}
	switch id := deflect.LogID(ch.call.ExternalCallID); id {
	case "":
		return nil
	case ch.uuid:
		return []any{"call_id", id}
	default:
		return []any{"call_id", id, "uuid", ch.uuid}
	}
}

// texted reports whether an earlier pass of the call sent a text, or may have, or has one
// that waits.
func (ch *channel) texted() bool {
	o := deflect.Outcome(ch.asked)
	return o == deflect.Sent || o == deflect.Uncertain || o == deflect.Deferred
}

// done reports whether the call may not be asked again, after an earlier pass
// through us: no and silence are final for an offer, and a text that was or may
// have been sent, or waits, is final for everything.
func (ch *channel) done() bool {
	o := deflect.Outcome(ch.asked)
	return ch.texted() || ch.mode == modeOffer && (o == deflect.Declined || o == deflect.NoInput)
}

// oldestStart is below what package deflect takes for a call.
const oldestStart = 30 * 24 * time.Hour

// startTime reads FreeSWITCH's microseconds. A switch whose clock is ahead of
// ours, or was never set, must not cost its callers their texts.
func startTime(micros string, now time.Time) time.Time {
	us, err := strconv.ParseInt(micros, 10, 64)
	if t := time.UnixMicro(us); err == nil && us > 0 && t.Before(now) && now.Sub(t) < oldestStart {
		return t
	}
	return now
}

// waitTime reads the seconds that the caller is expected to wait; nil for what is
// no such number. A queue that expects nobody to wait may say less than none.
func waitTime(s string) *time.Duration {
	const most = 24 * 60 * 60
	if s == "" {
		return nil
	}
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil || seconds != seconds {
		return nil
	}
	wait := time.Duration(max(0, min(seconds, most)) * float64(time.Second))
	return &wait
}

func callerInfo(e *guarded) map[string]any {
	return named(e, infoPrefix, maxInfoKeys, func(name string) string { return clean(name, maxName, "") },
		func(value string) any { return clean(value, maxInfoValue, "\n") })
}

// templateVariables are those whose names are numbers: the rest is nobody's.
func templateVariables(e *guarded) map[string]string {
	return named(e, templatePrefix, maxTemplate, func(number string) string {
		if !templateForm.MatchString(templatePrefix + number) {
			return ""
		}
		return number
	}, func(value string) string { return clean(value, maxValue, "") })
}

// named are the values of the variables that begin so, those that count, by what is left of
// their names: key makes it fit, "" for none.
func named[V any](e *guarded, prefix string, most int, key func(string) string, fit func(string) V) map[string]V {
	whole := variablePrefix + prefix
	var all map[string]V
	e.Each(whole, func(name, value string) bool {
		k := key(name[len(whole):])
		if k == "" || !e.counts(prefix+k) {
			return true
		}
		e.Get(name) // it may be there twice
		if all == nil {
			all = map[string]V{}
		}
		all[k] = fit(value)
		return len(all) < most
	})
	return all
}

// clean makes a stranger's text fit to be sent: valid UTF-8, no control
// characters but those allowed, at most limit bytes, no space around it.
func clean(s string, limit int, allowed string) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			return -1
		}
		return r
	}, s)
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return strings.TrimSpace(s)
}

// maxDigits is how many keys are kept of one call.
const maxDigits = 64

func isDigit(c byte) bool { return strings.IndexByte("0123456789*#ABCD", c) >= 0 }

// keepDigits keeps what is DTMF.
func keepDigits(s string) string {
	kept := make([]byte, 0, min(len(s), maxDigits))
	for i := 0; i < len(s) && len(kept) < maxDigits; i++ {
		if isDigit(s[i]) {
			kept = append(kept, s[i])
		}
	}
	return string(kept)
}
