package livedeflect

import (
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// likeness is whether a number that the report shows is one of ours.
type likeness int

const (
	another   likeness = iota // it is somebody else's
	maybeOurs                 // nobody can tell
	ours                      // nothing speaks against it
)

// spellings are the digits of one number in the forms that a report may show,
// longest first.
type spellings []string

func spellingsOf(n phone.Parsed) spellings {
	return spellings{phone.Digits(n.E164), numberplan.WithTrunkPrefix(n), n.National}
}

// like compares a number of the report. Systems mask numbers, cut them, and write
// them with prefixes, extensions or as floats. What is taken for somebody else's
// proves that no text was sent, so it has to be a number whose digits differ.
func (s spellings) like(told string) likeness {
	parts, strange := digitParts(told)
	all := strings.Join(parts, "")
	switch {
	case all == "" || len(s) == 0:
		return ours // it says nothing
	case strange:
		return maybeOurs
	}
	best := another
	for _, form := range s {
		best = max(best, compareDigits(parts, all, strings.TrimLeft(form, "0")))
	}
	return best
}

// digitParts splits a number where something of it is masked, and leaves out what
// only separates its digits. It reports whether there is anything else in it.
func digitParts(told string) (parts []string, strange bool) {
	var part strings.Builder
	for _, r := range told {
		switch {
		case r >= '0' && r <= '9':
			part.WriteRune(r)
		case strings.ContainsRune("*xX#•?_…", r):
			parts = append(parts, part.String())
			part.Reset()
		case !strings.ContainsRune(" +().-/\t\u00a0\u2010\u2011\u2013", r):
			strange = true
		}
	}
	return append(parts, part.String()), strange
}

func compareDigits(parts []string, all, form string) likeness {
	// So many digits in the same place are hardly a coincidence.
	const telling, tail = 6, 4
	if len(parts) > 1 {
		if masks(parts, form) {
			return ours
		}
		for _, p := range parts {
			if len(p) > telling && compareDigits([]string{p}, p, form) != another {
				return maybeOurs // an extension behind it
			}
		}
		all = parts[len(parts)-1]
		if all == "" {
			return maybeOurs
		}
		if strings.HasSuffix(form, all) {
			return maybeOurs // another prefix in front of the mask
		}
		return another
	}
	told := strings.TrimLeft(all, "0")
	switch {
	case told == "":
		return maybeOurs
	case strings.HasSuffix(told, form), strings.HasSuffix(form, told):
		return ours
	case len(told) >= telling && (strings.Contains(form, told) || strings.Contains(told, form)),
		len(told) >= tail && len(form) >= tail && told[len(told)-tail:] == form[len(form)-tail:]:
		return maybeOurs
	}
	return another
}

// masks reports whether the parts are in the form, in their order, the first one at
// its begin and the last one at its end.
func masks(parts []string, form string) bool {
	first, last := strings.TrimLeft(parts[0], "0"), parts[len(parts)-1]
	rest, ok := strings.CutPrefix(form, first)
	if !ok {
		return false
	}
	if rest, ok = strings.CutSuffix(rest, last); !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, p); !ok {
			return false
		}
	}
	return true
}
