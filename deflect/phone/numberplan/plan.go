package numberplan

import (
	"maps"
	"regexp"
	"slices"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// plan is the number plan of a region: what the number library knows of it, with its
// patterns compiled once. [phonenumbers.GetNumberType] says the same, and took a third
// of the time of a text: it makes each pattern's text anew for each number, matches it
// twice, and all that twice again, for the region and for the kind.
type plan struct {
	meta    *phonenumbers.PhoneMetadata
	compile sync.Once
	leading *regexp.Regexp // numbers of this region among those of its country code, nil where kinds tell
	general pattern
	special []pattern // kinds that go before fixed line and mobile, in their order
	fixed   pattern
	mobile  pattern
}

// pattern is one kind of number. The zero pattern matches none.
type pattern struct {
	kind    phonenumbers.PhoneNumberType
	lengths []int32 // empty for those of the plan as a whole
	digits  *regexp.Regexp
}

func (p pattern) matches(national string) bool {
	if p.digits == nil || len(p.lengths) > 0 && !slices.Contains(p.lengths, int32(len(national))) {
		return false
	}
	return p.digits.MatchString(national)
}

func patternOf(kind phonenumbers.PhoneNumberType, d *phonenumbers.PhoneNumberDesc) pattern {
	if d.GetNationalNumberPattern() == "" {
		return pattern{}
	}
	return pattern{kind, d.GetPossibleLength(), regexp.MustCompile("^(?:" + d.GetNationalNumberPattern() + ")$")}
}

// plans are those of each country code, in the order in which they are asked.
var plans = sync.OnceValue(func() map[int32][]*plan {
	all, err := phonenumbers.MetadataCollection() // parsed when the program starts
	if err != nil {
		panic("numberplan: the number library has no number plans: " + err.Error())
	}
	type key struct {
		code   int32
		region string
	}
	known := map[key]*plan{}
	for _, m := range all.GetMetadata() {
		known[key{m.GetCountryCode(), m.GetId()}] = &plan{meta: m}
	}
	byCode := map[int32][]*plan{}
	for code := range maps.Keys(phonenumbers.GetSupportedCallingCodes()) {
		for _, region := range phonenumbers.GetRegionCodesForCountryCode(code) {
			if p := known[key{int32(code), region}]; p != nil {
				byCode[int32(code)] = append(byCode[int32(code)], p)
			}
		}
	}
	return byCode
})

func (p *plan) init() {
	if l := p.meta.GetLeadingDigits(); l != "" {
		p.leading = regexp.MustCompile("^(?:" + l + ")")
	}
	p.general = patternOf(phonenumbers.UNKNOWN, p.meta.GetGeneralDesc())
	for _, special := range []pattern{
		patternOf(phonenumbers.PREMIUM_RATE, p.meta.GetPremiumRate()),
		patternOf(phonenumbers.TOLL_FREE, p.meta.GetTollFree()),
		patternOf(phonenumbers.SHARED_COST, p.meta.GetSharedCost()),
		patternOf(phonenumbers.VOIP, p.meta.GetVoip()),
		patternOf(phonenumbers.PERSONAL_NUMBER, p.meta.GetPersonalNumber()),
		patternOf(phonenumbers.PAGER, p.meta.GetPager()),
		patternOf(phonenumbers.UAN, p.meta.GetUan()),
		patternOf(phonenumbers.VOICEMAIL, p.meta.GetVoicemail()),
	} {
		if special.digits != nil {
			p.special = append(p.special, special)
		}
	}
	p.fixed = patternOf(phonenumbers.FIXED_LINE, p.meta.GetFixedLine())
	p.mobile = patternOf(phonenumbers.MOBILE, p.meta.GetMobile())
}

// kind is that of a number in this plan, UNKNOWN for none of its numbers.
func (p *plan) kind(national string) phonenumbers.PhoneNumberType {
	if !p.general.matches(national) {
		return phonenumbers.UNKNOWN
	}
	for _, s := range p.special {
		if s.matches(national) {
			return s.kind
		}
	}
	same := p.meta.GetSameMobileAndFixedLinePattern()
	switch fixed := p.fixed.matches(national); {
	case fixed && (same || p.mobile.matches(national)):
		return phonenumbers.FIXED_LINE_OR_MOBILE
	case fixed:
		return phonenumbers.FIXED_LINE
	case !same && p.mobile.matches(national):
		return phonenumbers.MOBILE
	}
	return phonenumbers.UNKNOWN
}

// inPlan is the region whose number it is, "" for none, and its kind.
func inPlan(code int32, national string) (string, phonenumbers.PhoneNumberType) {
	own := plans()[code]
	for _, p := range own {
		p.compile.Do(p.init)
		if p.leading != nil && len(own) > 1 {
			if p.leading.MatchString(national) {
				return p.meta.GetId(), p.kind(national)
			}
			continue
		}
		if kind := p.kind(national); kind != phonenumbers.UNKNOWN || len(own) == 1 {
			return p.meta.GetId(), kind
		}
	}
	return "", phonenumbers.UNKNOWN
}
