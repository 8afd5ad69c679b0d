package freeswitch

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Prompts are what callers hear: anything that FreeSWITCH's playback takes. An
// empty one is the shipped prompt of its language (English is shipped, see
// [Config.Sounds]); [None] is not played.
type Prompts struct {
	Offer         string // the question
	Wait          string // while the request runs
	Sent          string
	Failed        string
	Uncertain     string
	AlreadySent   string // to a caller in the cooldown; with None the call is not even answered
	Confirm       string // asks whether the text arrived
	Number        string // asks for a number to text
	NumberConfirm string // asks whether the number that was read back is right
	NumberInvalid string // what was keyed in cannot be texted
}

// shippedLanguage is the language of the prompts in dialplan/sounds.
const shippedLanguage = "en"

// The keys that the shipped prompts speak of.
const (
	shippedAccept     = "1"
	shippedDecline    = "2"
	shippedTerminator = "#"
)

// promptField is one prompt of a set.
type promptField struct {
	name  string // of the field
	file  string // of the shipped one
	value *string
}

// label is the prompt's name for metrics and logs.
func (f promptField) label() string { return strings.TrimSuffix(f.file, ".wav") }

// all returns every prompt, in the order of the fields.
func (p *Prompts) all() []promptField {
	return []promptField{
		{"Offer", "offer.wav", &p.Offer},
		{"Wait", "wait.wav", &p.Wait},
		{"Sent", "sent.wav", &p.Sent},
		{"Failed", "failed.wav", &p.Failed},
		{"Uncertain", "uncertain.wav", &p.Uncertain},
		{"AlreadySent", "already_sent.wav", &p.AlreadySent},
		{"Confirm", "confirm.wav", &p.Confirm},
		{"Number", "number.wav", &p.Number},
		{"NumberConfirm", "number_confirm.wav", &p.NumberConfirm},
		{"NumberInvalid", "number_invalid.wav", &p.NumberInvalid},
	}
}

// asks reports whether a prompt is a question, which cannot be left out.
func asks(name string) bool {
	switch name {
	case "Offer", "Confirm", "Number", "NumberConfirm":
		return true
	}
	return false
}

func orNone(name string) string {
	if asks(name) {
		return ""
	}
	return ", or none on purpose"
}

// plays reports whether callers of the profile can come to hear a prompt.
func (p Profile) plays(name string) bool {
	switch name {
	case "AlreadySent":
		return !p.NoCooldown
	case "Confirm":
		return p.Confirm
	case "Number", "NumberConfirm", "NumberInvalid":
		return p.AskNumber
	}
	return true
}

// saysRight reports whether a shipped prompt names the keys of the profile.
func (p Profile) saysRight(name string) bool {
	switch name {
	case "Offer", "Confirm", "NumberConfirm":
		return p.AcceptDigit == shippedAccept && p.DeclineDigit == shippedDecline
	case "Number":
		return p.NumberEntry.Terminator == shippedTerminator
	}
	return true
}

// checkPrompt refuses what would not stay one argument of playback, and what
// the switch would expand.
func checkPrompt(s string) error {
	switch {
	case strings.Contains(s, "${"):
		return errors.New("holds ${, which the switch would expand; prompts are fixed")
	case !utf8.ValidString(s):
		return errors.New("is not UTF-8")
	case strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return errors.New("holds a control character")
	case strings.TrimSpace(s) != s:
		return errors.New("begins or ends with a space")
	case len(s) > 1024:
		return errors.New("is longer than 1024 bytes")
	}
	return nil
}

// prompts checks a set that has its defaults.
func (v *checker) prompts(at string, p Profile, lang string, set Prompts) {
	for _, f := range set.all() {
		field := at + "." + f.name
		switch {
		case *f.value == "" && !p.plays(f.name):
		case *f.value == "" && !p.saysRight(f.name) && languageChain(lang)[len(languageChain(lang))-1] == shippedLanguage:
			v.bad(field, "is missing: the shipped prompt names other keys (%s and %s, and %s at the end of a number)", shippedAccept, shippedDecline, shippedTerminator)
		case *f.value == "":
			v.bad(field, "is missing: there is no shipped prompt in %s; name a file%s", lang, orNone(f.name))
		case *f.value == None && asks(f.name) && p.plays(f.name):
			v.bad(field, "is none: it is a question, and the caller would hear nothing")
		default:
			if err := checkPrompt(*f.value); err != nil {
				v.bad(field, "%w", err)
			}
		}
	}
}

// resultPrompt is the prompt that says how a call ended.
func (s *session) resultPrompt(e ending) string {
	switch {
	case e.Outcome == deflect.Sent:
		return s.voice.prompts.Sent
	case e.Outcome == deflect.Uncertain:
		return s.voice.prompts.Uncertain
	case e.Reason == deflect.ReasonCooldown || e.Reason == deflect.ReasonAlreadyAsked:
		return s.voice.prompts.AlreadySent
	}
	return s.voice.prompts.Failed
}
