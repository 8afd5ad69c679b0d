package phone

import "strings"

// Countries changed the numbers of their phones, and both spellings are about: an old
// list or network has the one, a new one the other. Each of these is one phone, so
// who opted out or was texted under one spelling did under the other.
var renumberings = []struct {
	code string // country code with its plus sign
	// today returns the spelling by which phones are compared, before the other one;
	// each reports false for what is not of its kind.
	today, before func(national string) (string, bool)
}{
	// Argentina: a 9 before mobiles, abroad only. Mobiles and landlines share one
	// set of numbers, so that a number without it is the same line.
	{"+54", dropping("9", 11), adding("9", 10)},
	// Benin, 2024: 01 before all numbers.
	{"+229", adding("01", 8), dropping("01", 10)},
	// Brazil, until 2016: a 9 after the area code of mobiles, which begin with 6 to 9.
	{"+55",
		func(n string) (string, bool) {
			if len(n) != 10 || n[2] < '6' {
				return "", false
			}
			return n[:2] + "9" + n[2:], true
		},
		func(n string) (string, bool) {
			if len(n) != 11 || n[2] != '9' || n[3] < '6' {
				return "", false
			}
			return n[:2] + n[3:], true
		}},
	// Mexico, until 2019: a 1 before mobiles, from abroad only.
	{"+52", dropping("1", 11), adding("1", 10)},
}

func adding(prefix string, to int) func(string) (string, bool) {
	return func(n string) (string, bool) { return prefix + n, len(n) == to }
}

func dropping(prefix string, of int) func(string) (string, bool) {
	return func(n string) (string, bool) {
		return strings.TrimPrefix(n, prefix), len(n) == of && strings.HasPrefix(n, prefix)
	}
}

// Spellings returns the one spelling by which phones are compared, and the other one of
// a phone whose number was changed, "" where there was none. Either may be given.
func Spellings(e164 string) (today, before string) {
	for _, r := range renumberings {
		national, of := strings.CutPrefix(e164, r.code)
		if !of {
			continue
		}
		if n, ok := r.today(national); ok {
			return r.code + n, e164
		}
		if n, ok := r.before(national); ok {
			return e164, r.code + n
		}
	}
	return e164, ""
}
