package freeswitch

import (
	"errors"
	"iter"
	"slices"
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
	LaterOffer    string // the question, while the team is closed
	LaterAccepted string // a text will come later
}

// Prompt is all that there is to know about one of [Prompts] but what it is set to: a new
// one is a field, a row here, and its file and words in dialplan/sounds.
type Prompt struct {
	Field    string // of Prompts, such as AlreadySent
	Key      string // in configuration files, metrics and logs, such as already_sent; the shipped file is named so
	When     string // callers hear it, in Markdown
	Question bool   // it asks something, and cannot be [None]

	of       func(*Prompts) *string
	heard    func(Profile) bool // whether callers of a profile can come to hear it; nil for yes
	keys     func(Profile) bool // whether the shipped words name the keys of a profile; nil when they name none
	outcomes []deflect.Outcome  // that it tells; Failed tells what no other does
	reasons  []deflect.Reason   // that it tells
	handed   bool               // only callers whose call is handed over hear it
}

var prompts = []Prompt{
	{Field: "Offer", Key: "offer", When: "The question.", Question: true,
		of: func(p *Prompts) *string { return &p.Offer }, keys: Profile.hasShippedChoice, handed: true},
	{Field: "Wait", Key: "wait", When: "While the request runs.",
		of: func(p *Prompts) *string { return &p.Wait }},
	{Field: "Sent", Key: "sent", When: "A text is on its way.",
		of: func(p *Prompts) *string { return &p.Sent }, outcomes: []deflect.Outcome{deflect.Sent}},
	{Field: "Failed", Key: "failed", When: "No text.",
		of: func(p *Prompts) *string { return &p.Failed }},
	{Field: "Uncertain", Key: "uncertain", When: "A text may come.",
		of: func(p *Prompts) *string { return &p.Uncertain }, outcomes: []deflect.Outcome{deflect.Uncertain}},
	{Field: "AlreadySent", Key: "already_sent", When: "To a caller in the cooldown; with `\"\"` the call is not even answered.",
		of:      func(p *Prompts) *string { return &p.AlreadySent },
		heard:   func(p Profile) bool { return !p.NoCooldown },
		reasons: []deflect.Reason{deflect.ReasonCooldown, deflect.ReasonAlreadyAsked}},
	{Field: "Confirm", Key: "confirm", When: "Asks whether the text arrived.", Question: true,
		of: func(p *Prompts) *string { return &p.Confirm }, heard: func(p Profile) bool { return p.Confirm }, keys: Profile.hasShippedChoice},
	{Field: "Number", Key: "number", When: "Asks for a number to text.", Question: true,
		of: func(p *Prompts) *string { return &p.Number }, heard: Profile.asksNumber,
		keys: func(p Profile) bool { return p.NumberEntry.Terminator == shippedTerminator }},
	{Field: "NumberConfirm", Key: "number_confirm", When: "Asks whether the number that was read back is right.", Question: true,
		of: func(p *Prompts) *string { return &p.NumberConfirm }, heard: Profile.asksNumber, keys: Profile.hasShippedChoice},
	{Field: "NumberInvalid", Key: "number_invalid", When: "What was keyed in cannot be texted.",
		of: func(p *Prompts) *string { return &p.NumberInvalid }, heard: Profile.asksNumber},
	{Field: "LaterOffer", Key: "later_offer", When: "The question, while the team is closed.", Question: true,
		of: func(p *Prompts) *string { return &p.LaterOffer }, heard: func(p Profile) bool { return p.Later.Closed > 0 },
		keys: func(p Profile) bool { return p.AcceptDigit == shippedAccept }, handed: true},
	{Field: "LaterAccepted", Key: "later_accepted", When: "A text will come later.",
		of:       func(p *Prompts) *string { return &p.LaterAccepted },
		heard:    func(p Profile) bool { return p.Later.Closed > 0 || p.Later.Failed > 0 },
		outcomes: []deflect.Outcome{deflect.Deferred}},
}

// All returns every prompt, with the place of its value, in the order of the fields.
func (p *Prompts) All() iter.Seq2[Prompt, *string] {
	return func(yield func(Prompt, *string) bool) {
		for _, row := range prompts {
			if !yield(row, row.of(p)) {
				return
			}
		}
	}
}

// shippedLanguage is the language of the prompts in dialplan/sounds.
const shippedLanguage = "en"

// shipped is the file of dialplan/sounds, with its folder.
func (p Prompt) shipped() string { return shippedLanguage + "/" + p.Key + ".wav" }

// The keys that the shipped prompts speak of.
const (
	shippedAccept     = "1"
	shippedDecline    = "2"
	shippedTerminator = "#"
)

func (p Profile) hasShippedChoice() bool {
	return p.AcceptDigit == shippedAccept && p.DeclineDigit == shippedDecline
}

func (p Profile) asksNumber() bool { return p.AskNumber }

// Plays reports whether callers of the profile can come to hear a prompt.
func (p Profile) Plays(row Prompt) bool { return row.heard == nil || row.heard(p) }

// saysRight reports whether a shipped prompt names no keys but those of the profile.
func (p Profile) saysRight(row Prompt) bool { return row.keys == nil || row.keys(p) }

// resultPrompt is the prompt that says how a call ended.
func (s *session) resultPrompt(e ending) string {
	if e.Reason == deflect.ReasonAlreadyAsked && deflect.Outcome(s.ch.asked) == deflect.Deferred {
		e = end(deflect.Deferred, "") // the text that waits was not sent yet
	}
	for i := range prompts {
		if row := &prompts[i]; slices.Contains(row.outcomes, e.Outcome) || slices.Contains(row.reasons, e.Reason) {
			return *row.of(&s.voice.prompts)
		}
	}
	return s.voice.prompts.Failed
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
	for row, value := range set.All() {
		field := at + "." + row.Field
		orNone := ", or none on purpose"
		if row.Question {
			orNone = ""
		}
		switch {
		case *value == "" && !p.Plays(row):
		case *value == "" && !p.saysRight(row) && languageChain(lang)[len(languageChain(lang))-1] == shippedLanguage:
			v.bad(field, "is missing: the shipped prompt names other keys (%s and %s, and %s at the end of a number)", shippedAccept, shippedDecline, shippedTerminator)
		case *value == "":
			v.bad(field, "is missing: there is no shipped prompt in %s; name a file%s", lang, orNone)
		case *value == None && row.Question && p.Plays(row):
			v.bad(field, "is none: it is a question, and the caller would hear nothing")
		default:
			if err := checkPrompt(*value); err != nil {
				v.bad(field, "%w", err)
			}
		}
	}
}
