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

// number is a parsed telephone number. It may be shared: nothing writes to lib.
type number struct {
	country  string // country code, digits
	national string // national significant number: no trunk prefix
	e164     string
	kind     phonenumbers.PhoneNumberType
	region   string // of ISO 3166, "" for a number of none
	lib      *phonenumbers.PhoneNumber

	// Of how it was written:
	twofold     bool // it can be read as another valid number as well
	doubtful    bool // ... and nothing tells which one is meant
	placeholder bool // it stands for no number; what cannot be a number can be one
}

// valid reports whether the number plan of its country has such numbers.
func (n number) valid() bool { return n.lib != nil && n.kind != phonenumbers.UNKNOWN }

// trunk returns the national number as dialled inside its country, trunk prefix
// included. Where the library writes another number (mobiles of Buenos Aires), it is
// without one.
func (n number) trunk() string {
	s := onlyDigits(phonenumbers.Format(n.lib, phonenumbers.NATIONAL))
	again, err := phonenumbers.Parse(s, phonenumbers.GetRegionCodeForCountryCode(int(n.lib.GetCountryCode())))
	if err == nil && phonenumbers.GetNationalSignificantNumber(again) != n.national {
		return n.national
	}
	return s
}

// E164 returns the number in E.164 form, "+14043438646", reading a number
// without a plus sign as dialled inside region, an ISO 3166 code such as "US".
// It reports false for what cannot be a telephone number, or could be two. A number
// need not be in use, nor be of a line that can get texts: see [Client.Check].
func (n PhoneNumber) E164(region string) (string, bool) {
	p, ok := n.known(region)
	return p.e164, ok && !p.doubtful
}

const (
	maxE164Digits  = 15 // ITU-T E.164, 6.2.1; the number library knows longer ones
	maxNumberBytes = 40 // bounds what the parser is given: 15 digits and separators fit
)

// plain returns the number without space around it, and whether it is made of
// digits with visual separators only. The parser of the library is more generous
// (letters of vanity numbers, extensions, text around the number), and a caller id
// is a stranger's text.
func (n PhoneNumber) plain() (string, bool) {
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

// parse reads a number anew; [PhoneNumber.known] remembers.
func (n PhoneNumber) parse(region string) (number, bool) {
	s, ok := n.plain()
	if !ok {
		return number{}, false
	}
	return readNumber(s, region)
}

// readNumber reads a plain number as it is written in a region. Without a plus sign
// it can be as dialled there, or begin with the country code, and number plans where
// both are numbers exist: in Germany "491713920001" is a mobile with its country code
// and, as dialled, a landline without its trunk prefix. The library sees the landline.
func readNumber(plain, region string) (number, bool) {
	n, ok := parseNumber(plain, region)
	if own, is := withCountryCode(plain, region); is && own.valid() && own.e164 != n.e164 {
		_, can := n.textable()
		switch {
		case !n.valid():
			n, ok = own, true
		case !can && !asDialled(plain, region):
			n, n.twofold = own, true
		default: // two people: neither is texted
			n.twofold, n.doubtful = true, true
		}
	}
	n.placeholder = n.standsForNone(plain, region)
	return n, ok
}

// withCountryCode reads a number without a plus sign as one that begins with the
// country code of the region.
func withCountryCode(plain, region string) (number, bool) {
	if plain == "" || plain[0] == '+' {
		return number{}, false
	}
	digits, code := onlyDigits(plain), phonenumbers.GetCountryCodeForRegion(region)
	if code == 0 || !strings.HasPrefix(digits, strconv.Itoa(code)) {
		return number{}, false
	}
	return parseNumber("+"+digits, region)
}

// asDialled reports whether a number without a plus sign has the trunk prefix that
// is dialled before such a number in the region, or needs none.
func asDialled(plain, region string) bool {
	p, err := phonenumbers.ParseAndKeepRawInput(plain, region)
	return err == nil && phonenumbers.IsNationalPrefixPresentIfRequired(p)
}

func parseNumber(plain, region string) (number, bool) {
	if national, ok := northAmerican(plain, region); ok {
		n, _ := strconv.ParseUint(national, 10, 64)
		full := "+1" + national
		return number{country: full[1:2], national: full[2:], e164: full,
			lib: &phonenumbers.PhoneNumber{CountryCode: new(int32(1)), NationalNumber: new(n)}}.looked(), true
	}
	p, err := phonenumbers.Parse(plain, region)
	if err != nil {
		return number{}, false
	}
	country, national := strconv.Itoa(int(p.GetCountryCode())), phonenumbers.GetNationalSignificantNumber(p)
	parsed := number{country: country, national: national, e164: "+" + country + national, lib: p}.looked()
	if today, _ := respelled(parsed.e164); !parsed.valid() && today != "" && today != parsed.e164 {
		if n, ok := parseNumber(today, region); ok && n.valid() {
			return n, true
		}
	}
	if len(country+national) > maxE164Digits || phonenumbers.IsPossibleNumberWithReason(p) != phonenumbers.IS_POSSIBLE {
		return number{}, false
	}
	if national[0] == '0' {
		// Real in a few countries (Italy). Elsewhere such a number reads as
		// another one in E.164, and nobody's phone would get the text.
		again, err := phonenumbers.Parse(parsed.e164, region)
		if err != nil || phonenumbers.GetNationalSignificantNumber(again) != national {
			return number{}, false
		}
	}
	return parsed, true
}

// looked is the number with what the number plan says of it.
func (n number) looked() number {
	n.region, n.kind = inPlan(n.lib.GetCountryCode(), n.national)
	return n
}

// northAmerican returns the ten digits of a whole number of the North American plan,
// written without separators. The library reads such a number in the same way, and
// takes thirty times as long.
func northAmerican(plain, region string) (string, bool) {
	s, international := strings.CutPrefix(plain, "+1")
	if !international {
		if region != "US" {
			return "", false
		}
		s = strings.TrimPrefix(s, "1")
	}
	if len(s) != 10 || s[0] < '2' || s[3] < '2' || onlyDigits(s) != s {
		return "", false
	}
	return s, true
}

// textable reports whether a text can reach such a number: what is not known to
// be something else passes, because number plans do not tell mobiles from
// landlines in much of the world (North America among them).
func (n number) textable() (Code, bool) {
	switch n.kind {
	case phonenumbers.FIXED_LINE:
		return CodeFixedLine, false
	case phonenumbers.TOLL_FREE, phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST,
		phonenumbers.UAN, phonenumbers.VOICEMAIL, phonenumbers.PERSONAL_NUMBER, phonenumbers.PAGER:
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
