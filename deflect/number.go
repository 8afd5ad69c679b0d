package deflect

import (
	"log/slog"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// PhoneNumber is a telephone number as a phone system has it: E.164 with its
// plus sign, or as dialled inside the default region. Visual separators are
// fine. It shows only its last two digits when printed, logged or encoded;
// convert to string for the number itself.
type PhoneNumber string

// String returns the number masked to its last two digits.
func (n PhoneNumber) String() string {
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
func (n PhoneNumber) GoString() string { return `deflect.PhoneNumber("` + n.String() + `")` }

// LogValue is String for slog.
func (n PhoneNumber) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText is String for encoders.
func (n PhoneNumber) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// number is a parsed telephone number.
type number struct {
	country  string // country code, digits
	national string // national significant number: no trunk prefix
	lib      *phonenumbers.PhoneNumber
	kind     phonenumbers.PhoneNumberType // of a number to text; zero for others
}

func (n number) e164() string { return "+" + n.country + n.national }

// trunk returns the national number as dialled inside its country, trunk prefix
// included.
func (n number) trunk() string { return onlyDigits(phonenumbers.Format(n.lib, phonenumbers.NATIONAL)) }

// region returns the ISO 3166 region, "" for a number of none.
func (n number) region() string { return phonenumbers.GetRegionCodeForNumber(n.lib) }

// E164 returns the number in E.164 form, "+14043438646", reading a number
// without a plus sign as dialled inside region, an ISO 3166 code such as "US".
// It reports false for what cannot be a telephone number.
func (n PhoneNumber) E164(region string) (string, bool) {
	p, ok := n.parse(region)
	if !ok {
		return "", false
	}
	return p.e164(), true
}

const (
	maxE164Digits  = 15 // ITU-T E.164, 6.2.1; the number library knows longer ones
	maxNumberBytes = 40 // bounds what the parser is given: 15 digits and separators fit
)

// parse accepts digits with visual separators only. The parser of the library
// is more generous (letters of vanity numbers, extensions, text around the
// number), and a caller id is a stranger's text.
func (n PhoneNumber) parse(region string) (number, bool) {
	s := strings.TrimSpace(string(n))
	if len(s) > maxNumberBytes {
		return number{}, false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '+' && i == 0:
		case i > 0 && strings.IndexByte(" ().-/", c) >= 0, c == '(':
		default:
			return number{}, false
		}
	}
	p, err := phonenumbers.Parse(s, region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(p) != phonenumbers.IS_POSSIBLE {
		return number{}, false
	}
	parsed := number{
		country:  strconv.Itoa(int(p.GetCountryCode())),
		national: phonenumbers.GetNationalSignificantNumber(p),
		lib:      p,
	}
	if len(parsed.country+parsed.national) > maxE164Digits {
		return number{}, false
	}
	if parsed.national[0] == '0' {
		// Real in a few countries (Italy). Elsewhere such a number reads as
		// another one in E.164, and nobody's phone would get the text.
		again, err := phonenumbers.Parse(parsed.e164(), region)
		if err != nil || phonenumbers.GetNationalSignificantNumber(again) != parsed.national {
			return number{}, false
		}
	}
	return parsed, true
}

// textable reports whether a text can reach such a number: what is not known to
// be something else passes, because number plans do not tell mobiles from
// landlines in much of the world (North America among them).
func (n number) textable() (Code, bool) {
	switch n.kind {
	case phonenumbers.FIXED_LINE:
		return CodeFixedLine, false
	case phonenumbers.TOLL_FREE, phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST,
		phonenumbers.UAN, phonenumbers.VOICEMAIL:
		return CodeNotTextable, false
	}
	return "", true
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// hidden are the words that switches and carriers put where the number of a
// caller who withholds it would be.
var hidden = map[string]bool{
	"anonymous": true, "restricted": true, "private": true, "unavailable": true,
	"unknown": true, "withheld": true, "blocked": true, "asserted": true,
}

// Hidden reports whether the number is one of the words that stand for a
// withheld caller id ("anonymous", "restricted", ...), or empty.
func (n PhoneNumber) Hidden() bool {
	s := strings.ToLower(strings.TrimSpace(string(n)))
	return s == "" || hidden[s]
}
