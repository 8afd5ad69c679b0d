// Package clean makes strangers' words harmless: the API's, callers', those in errors
// and panics of other people's code. What it returns can be shown and logged.
package clean

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxBytes = 256

// Text makes a stranger's text fit for an error: printable, short, and without telephone
// numbers and tokens, which an API may well echo.
func Text(s string) string { return But(s, nil) }

// addressForm is what may be an address, with a port or without.
var addressForm = regexp.MustCompile(`\[?[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*[0-9A-Fa-f](%[a-z0-9]+)?\]?(:[0-9]{1,5})?`)

// Addresses finds the network addresses in a text.
func Addresses(s string) (found [][]int) {
	for _, at := range addressForm.FindAllStringIndex(s, -1) {
		text := s[at[0]:at[1]]
		if _, err := netip.ParseAddr(strings.Trim(text, "[]")); err != nil {
			if _, err := netip.ParseAddrPort(text); err != nil {
				continue
			}
		}
		found = append(found, at)
	}
	return found
}

// tokenForm is what may be a token of OAuth 2.0: a JSON Web Token (RFC 7519), or what stands
// behind Bearer.
var tokenForm = regexp.MustCompile(`eyJ[A-Za-z0-9._~+/=-]{8,}|(?i:bearer) +[A-Za-z0-9._~+/=-]{20,}`)

// But is Text, which leaves the numbers at the places that keep finds.
func But(s string, keep func(string) [][]int) string {
	if s == "" {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	s = tokenForm.ReplaceAllLiteralString(s, "[token]")
	var masked strings.Builder
	from := 0
	if keep != nil {
		for _, at := range keep(s) {
			masked.WriteString(maskNumbers(s[from:at[0]]))
			masked.WriteString(s[at[0]:at[1]])
			from = at[1]
		}
	}
	masked.WriteString(maskNumbers(s[from:]))
	s = masked.String()
	if len(s) > maxBytes {
		s = strings.ToValidUTF8(s[:maxBytes-3], "") + "..."
	}
	return s
}

// maskNumbers masks what has seven digits or more, to the last two. Digits of
// any script belong together when at most three runes that are neither letters
// nor digits are between them, however a number is written.
func maskNumbers(s string) string {
	var out []rune
	var group []rune // from a digit to the last digit of the same number
	var between []rune
	digits := 0
	flush := func() {
		if digits >= 7 {
			var last []rune
			for _, r := range group {
				if unicode.IsDigit(r) {
					last = append(last, r)
				}
			}
			group = append([]rune("***"), last[len(last)-2:]...)
		}
		out = append(append(out, group...), between...)
		group, between, digits = nil, nil, 0
	}
	for _, r := range s {
		switch {
		case unicode.IsDigit(r):
			group = append(append(group, between...), r)
			between = nil
			digits++
		case digits > 0 && !unicode.IsLetter(r) && len(between) < 3:
			between = append(between, r)
		default:
			flush()
			out = append(out, r)
		}
	}
	flush()
	return string(out)
}

// Printable reports whether s is UTF-8 without control characters but the allowed ones.
func Printable(s, allowed string) bool {
	if plainText(s) {
		return true // as nearly everything is
	}
	if !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune(allowed, r)
	}) < 0
}

// plainText reports whether s is of ASCII characters that are no controls.
func plainText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
