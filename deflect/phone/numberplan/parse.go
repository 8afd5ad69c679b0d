package numberplan

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

const maxE164Digits = 15 // ITU-T E.164, 6.2.1; the number library knows longer ones

// E164 returns the number in E.164 form, "+14043438646", reading a number without a plus
// sign as dialled inside region. It reports false for what cannot be a telephone number,
// or could be two. A number need not be in use, nor be of a line that can get texts: see
// [phone.Parsed].
func E164(n phone.Number, region string) (string, bool) {
	p, ok := Parse(n, region)
	return p.E164, ok && !p.Doubtful
}

// Reading is a number, and how it was written.
type Reading struct {
	phone.Parsed
	Twofold       bool // it can be read as another valid number as well: with its country code, or without
	International bool // it is surely written with its country code
	Whole         bool // it has everything that is dialled before it in the region
}

// Read is [Parse] for those who care how a number was written, or read so many that none
// should be remembered. It takes a hundred times as long.
func Read(n phone.Number, region string) (Reading, bool) {
	plain, ok := n.Plain()
	if !ok {
		return Reading{}, false
	}
	r, ok := read(plain, region)
	if !ok {
		return r, false
	}
	if p, err := phonenumbers.ParseAndKeepRawInput(plain, region); err == nil {
		switch p.GetCountryCodeSource() {
		case phonenumbers.PhoneNumber_FROM_NUMBER_WITH_PLUS_SIGN, phonenumbers.PhoneNumber_FROM_NUMBER_WITH_IDD:
			r.International = true
		}
		r.Whole = phonenumbers.IsNationalPrefixPresentIfRequired(p)
	}
	return r, true
}

// read reads a plain number as it is written in a region. Without a plus sign it can be
// as dialled there, or begin with the country code, and number plans where both are
// numbers exist: in Germany "491713920001" is a mobile with its country code and, as
// dialled, a landline without its trunk prefix. The library sees the landline.
func read(plain, region string) (Reading, bool) {
	n, ok := parseOne(plain, region)
	r := Reading{Parsed: n}
	if own, is := withCountryCode(plain, region); is && own.Valid() && own.E164 != n.E164 {
		switch {
		case !n.Valid():
			r.Parsed, ok = own, true
		case !n.Textable() && !asDialled(plain, region):
			r.Parsed, r.Twofold = own, true
		default: // two people: neither is texted
			r.Twofold, r.Doubtful = true, true
		}
	}
	r.Placeholder = standsForNone(r.Parsed, plain, region)
	return r, ok
}

// withCountryCode reads a number without a plus sign as one that begins with the
// country code of the region.
func withCountryCode(plain, region string) (phone.Parsed, bool) {
	if plain == "" || plain[0] == '+' {
		return phone.Parsed{}, false
	}
	digits, code := phone.Digits(plain), phonenumbers.GetCountryCodeForRegion(region)
	if code == 0 || !strings.HasPrefix(digits, strconv.Itoa(code)) {
		return phone.Parsed{}, false
	}
	return parseOne("+"+digits, region)
}

// asDialled reports whether a number without a plus sign has the trunk prefix that
// is dialled before such a number in the region, or needs none.
func asDialled(plain, region string) bool {
	p, err := phonenumbers.ParseAndKeepRawInput(plain, region)
	return err == nil && phonenumbers.IsNationalPrefixPresentIfRequired(p)
}

// parseOne reads a number in the way of the library.
func parseOne(plain, region string) (phone.Parsed, bool) {
	if national, ok := northAmerican(plain, region); ok {
		full := "+1" + national
		return inPlanOf(1, phone.Parsed{Country: full[1:2], National: full[2:], E164: full}), true
	}
	p, err := phonenumbers.Parse(plain, region)
	if err != nil {
		return phone.Parsed{}, false
	}
	country, national := strconv.Itoa(int(p.GetCountryCode())), phonenumbers.GetNationalSignificantNumber(p)
	parsed := inPlanOf(p.GetCountryCode(), phone.Parsed{Country: country, National: national, E164: "+" + country + national})
	if today, _ := phone.Spellings(parsed.E164); !parsed.Valid() && today != parsed.E164 {
		if n, ok := parseOne(today, region); ok && n.Valid() {
			return n, true
		}
	}
	if len(country+national) > maxE164Digits || phonenumbers.IsPossibleNumberWithReason(p) != phonenumbers.IS_POSSIBLE {
		return phone.Parsed{}, false
	}
	if national[0] == '0' {
		// Real in a few countries (Italy). Elsewhere such a number reads as
		// another one in E.164, and nobody's phone would get the text.
		again, err := phonenumbers.Parse(parsed.E164, region)
		if err != nil || phonenumbers.GetNationalSignificantNumber(again) != national {
			return phone.Parsed{}, false
		}
	}
	return parsed, true
}

// inPlanOf is the number with what the number plan of its country code says of it.
func inPlanOf(code int32, p phone.Parsed) phone.Parsed {
	region, kind := inPlan(code, p.National)
	if region != phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
		p.Region = region
	}
	p.Kind = kindOf(kind)
	return p
}

func kindOf(kind phonenumbers.PhoneNumberType) phone.Kind {
	switch kind {
	case phonenumbers.MOBILE:
		return phone.Mobile
	case phonenumbers.FIXED_LINE:
		return phone.FixedLine
	case phonenumbers.FIXED_LINE_OR_MOBILE, phonenumbers.VOIP:
		return phone.MaybeMobile
	case phonenumbers.UNKNOWN:
		return phone.Unassigned
	}
	return phone.Service
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
	if len(s) != 10 || s[0] < '2' || s[3] < '2' || phone.Digits(s) != s {
		return "", false
	}
	return s, true
}

// WithTrunkPrefix returns the national number as dialled inside its country, trunk
// prefix included, in digits. Where the library writes another number (mobiles of
// Buenos Aires), it is without one.
func WithTrunkPrefix(p phone.Parsed) string {
	code, err := strconv.ParseInt(p.Country, 10, 32)
	if err != nil || p.National == "" {
		return p.National // of no number
	}
	s := phone.Digits(phonenumbers.Format(ofLibrary(int32(code), p.National), phonenumbers.NATIONAL))
	again, err := phonenumbers.Parse(s, phonenumbers.GetRegionCodeForCountryCode(int(code)))
	if err == nil && phonenumbers.GetNationalSignificantNumber(again) != p.National {
		return p.National
	}
	return s
}

// ofLibrary is a number as the library has it: zeros in front are counted.
func ofLibrary(code int32, national string) *phonenumbers.PhoneNumber {
	n, _ := strconv.ParseUint(national, 10, 64)
	p := &phonenumbers.PhoneNumber{CountryCode: &code, NationalNumber: &n}
	if zeros := len(national) - 1 - len(strings.TrimLeft(national[:len(national)-1], "0")); zeros > 0 {
		p.ItalianLeadingZero, p.NumberOfLeadingZeros = new(true), new(int32(zeros))
	}
	return p
}

// TellsMobiles reports whether the number plan of a region tells mobiles from
// landlines.
func TellsMobiles(region string) bool {
	n := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
	return n != nil && phonenumbers.GetNumberType(n) == phonenumbers.MOBILE
}
