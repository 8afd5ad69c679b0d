package deflect

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// Limits of what a call may hold, beside Config.MaxTextLength. The vendor
// documents none; these keep a request small.
const (
	maxDigits     = 64
	maxFieldRunes = 255

	maxHandoffRunes  = 16
	maxVariables     = 32
	maxVariableRunes = 1024
)

// validate returns every problem of a call at once.
func (s *setup) validate(call Call, now time.Time) (*Text, problems) {
	v := validator{}
	t := &Text{Call: call}

	customer, field := call.customer()
	t.Customer = v.customer(field, customer, s)
	t.Dialed = v.number("DNIS", call.DNIS, s)
	v.digits("Digits", call.Digits)

	t.Call.Start, t.Call.Accepted = v.times(call.Start, call.Accepted, now)

	v.required("ExternalCallID", call.ExternalCallID)
	v.required("Skill", call.Skill)
	v.text("Text", call.Text, s.MaxTextLength, "\n")
	v.text("TextTag", call.TextTag, maxFieldRunes, "")
	v.text("FirstName", call.FirstName, maxFieldRunes, "")
	v.text("LastName", call.LastName, maxFieldRunes, "")
	v.text("CustomerID", call.CustomerID, maxFieldRunes, "")
	v.text("CustomerIDDescriptor", call.CustomerIDDescriptor, maxFieldRunes, "")
	if (call.CustomerID == "") != (call.CustomerIDDescriptor == "") {
		missing := "CustomerID"
		if call.CustomerID != "" {
			missing = "CustomerIDDescriptor"
		}
		v.add(missing, CodeHalfPair, "is missing: customer id and descriptor go together")
	}
	v.text("HandoffID", call.HandoffID, maxHandoffRunes, "")
	v.variables(call.TemplateVariables)
	v.text("ConsumerID", call.ConsumerID, maxFieldRunes, "")
	return t, append(v.problems, s.Backend.Read(t)...)
}

type validator struct{ problems problems }

func (v *validator) add(field string, code FieldCode, format string, args ...any) {
	v.problems = append(v.problems, &ValidationError{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// times returns the times of a call as they are sent: in their order, and not later than
// now. Clocks of two machines differ a little, and one may be set during a call, so it is
// judged by the readings that do not jump, where there are such.
func (v *validator) times(start, accepted, now time.Time) (time.Time, time.Time) {
	if accepted.IsZero() {
		accepted = now
	}
	good := v.moment("Accepted", accepted, now)
	switch {
	case start.IsZero():
		v.add("Start", CodeMissing, "is missing: when the call began")
	case !v.moment("Start", start, now):
	case good && start.Sub(accepted) > clockSlack:
		v.add("Accepted", CodeTimeOrder, "is before Start: times run backwards")
	}
	accepted = period.Earlier(accepted.Round(0), now.Round(0))
	return period.Earlier(start.Round(0), accepted), accepted
}

// oldestCall is how long ago a call may have begun: a time of long ago is that of a clock
// which was never set, or in another unit.
const oldestCall = 31 * 24 * time.Hour

func (v *validator) moment(field string, t, now time.Time) bool {
	switch {
	case t.After(now.Add(clockSlack)):
		v.add(field, CodeTimeOrder, "is more than %s ahead of the clock of this machine", clockSlack)
	case t.Before(now.Add(-oldestCall)), t.Unix() < 0:
		v.add(field, CodeTimeOrder, "is more than 31 days ago, by the clock of this machine")
	default:
		return true
	}
	return false
}

// customer is about the number that is texted. It is not enough that it could be one:
// a text to a number that nobody has is lost, and all who call with it would be one
// caller.
func (v *validator) customer(field string, n phone.Number, s *setup) phone.Parsed {
	p, _ := s.read(n)
	switch {
	case p.Placeholder && field == "NumberOverride": // keyed in, and nothing was hidden
		v.add(field, CodeNotANumber, "is nobody's number")
		return phone.Parsed{}
	case p.Placeholder:
		v.add(field, CodeHidden, "is what phone systems put where there is no number")
		return phone.Parsed{}
	case n != "" && n.Hidden():
		v.add(field, CodeHidden, "is withheld by the caller")
		return phone.Parsed{}
	}
	if p = v.number(field, n, s); p == (phone.Parsed{}) {
		return p
	}
	switch {
	case p.Doubtful:
		v.add(field, CodeNotANumber, "can be two numbers (region %s), with its country code and without: give it with + and country code", s.DefaultRegion)
		return phone.Parsed{}
	case !s.usable(p):
		v.add(field, CodeNotANumber, "is a number that nobody has, by the number plan of its country")
		return phone.Parsed{}
	case p.Kind == phone.FixedLine:
		v.add(field, CodeFixedLine, "is a landline, which cannot get a text")
	case !p.Textable():
		v.add(field, CodeNotTextable, "is a premium-rate, toll-free, personal or similar number, which cannot get a text")
	}
	return p
}

// read reads a number as it is dialled in the default region.
func (s *setup) read(n phone.Number) (phone.Parsed, bool) {
	return s.Backend.ReadNumber(n, s.DefaultRegion)
}

// usable reports whether a number is somebody's, as far as anybody can tell.
func (s *setup) usable(n phone.Parsed) bool {
	return !n.Doubtful && !n.Placeholder && (n.Valid() || s.NumberCheck == PossibleNumbers)
}

func (v *validator) number(field string, n phone.Number, s *setup) phone.Parsed {
	if n == "" {
		v.add(field, CodeMissing, "is missing")
		return phone.Parsed{}
	}
	p, ok := s.read(n)
	if !ok {
		v.add(field, CodeNotANumber, "cannot be a telephone number (region %s; give numbers of other countries with + and country code)", s.DefaultRegion)
		return phone.Parsed{}
	}
	return p
}

func (v *validator) digits(field, s string) {
	if len(s) > maxDigits {
		v.add(field, CodeTooLong, "holds %d digits; at most %d", len(s), maxDigits)
		return
	}
	for i := range len(s) {
		if strings.IndexByte("0123456789*#ABCD", s[i]) < 0 {
			v.add(field, CodeCharacters, "holds something that is not DTMF (0-9, *, #, A-D)")
			return
		}
	}
}

func (v *validator) required(field, s string) {
	if strings.TrimSpace(s) == "" {
		v.add(field, CodeMissing, "is missing")
		return
	}
	v.text(field, s, maxFieldRunes, "")
}

// text checks length and characters; allowed are control characters that may occur.
func (v *validator) text(field, s string, limit int, allowed string) {
	if !clean.Printable(s, allowed) {
		v.add(field, CodeCharacters, "holds invalid UTF-8 or control characters")
	}
	if n := utf8.RuneCountInString(s); n > limit {
		v.add(field, CodeTooLong, "has %d characters; at most %d", n, limit)
	}
}

var variableForm = regexp.MustCompile(`^[0-9]{1,3}$`)

func (v *validator) variables(vars map[string]string) {
	const field = "TemplateVariables"
	if len(vars) == 0 {
		return // as nearly always
	}
	if len(vars) > maxVariables {
		v.add(field, CodeTooLong, "holds %d variables; at most %d", len(vars), maxVariables)
		return
	}
	for name := range vars {
		if !variableForm.MatchString(name) {
			v.add(field, CodeCharacters, "has a name that is not of one to three digits, such as 1")
			return
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		v.text(field+"["+name+"]", vars[name], maxVariableRunes, "")
	}
}

// reason is the number reason of a problem with the customer's number.
func (e *ValidationError) reason() Reason {
	if e.Field != "ANI" && e.Field != "NumberOverride" {
		return ReasonInvalidCall
	}
	switch e.Code {
	case CodeMissing, CodeHidden:
		return ReasonNumberHidden
	case CodeNotANumber:
		return ReasonNumberInvalid
	case CodeFixedLine:
		return ReasonNumberFixedLine
	case CodeNotTextable:
		return ReasonNumberNotTextable
	}
	return ReasonInvalidCall
}
