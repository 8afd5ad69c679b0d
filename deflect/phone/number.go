package phone

import (
	"log/slog"
	"strings"
)

// Number is a telephone number as a phone system has it: E.164 with its plus sign,
// or as dialled inside some region. Visual separators are fine. It shows only its
// last two digits when printed, logged or encoded; convert to string for the number
// itself.
type Number string

// String returns the number masked to its last two digits.
func (n Number) String() string {
	if n == "" {
		return ""
	}
	var last [2]byte
	digits := 0
	for i := range len(n) {
		if c := n[i]; c >= '0' && c <= '9' {
			last[0], last[1] = last[1], c
			digits++
		}
	}
	if digits < 5 {
		return "***"
	}
	return "***" + string(last[:])
}

// GoString is String for %#v.
func (n Number) GoString() string { return `phone.Number("` + n.String() + `")` }

// LogValue is String for slog.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText is String for encoders.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

const maxNumberBytes = 40 // bounds what is parsed: 15 digits and separators fit

// Plain returns the number without space around it, and whether it is made of at most
// 40 digits and visual separators, with a plus sign in front or without. Anything else
// (letters of vanity numbers, extensions, text around the number) is a stranger's text
// and no number to us.
func (n Number) Plain() (string, bool) {
	s := strings.TrimSpace(string(n))
	if len(s) > maxNumberBytes {
		return "", false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '+' && i == 0:
		case i > 0 && strings.IndexByte(" ().-/", c) >= 0, c == '(':
		default:
			return "", false
		}
	}
	return s, true
}

// Digits returns the digits of a text and nothing else of it.
func Digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
