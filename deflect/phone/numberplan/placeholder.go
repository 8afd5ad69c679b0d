package numberplan

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// standsForNone reports whether a plain number, read as n, is a placeholder: it looks
// like one, alone or after a country code, and is not somebody's all the same, as
// "9999999999" is in India. Alone, a number that lacks what is dialled before numbers
// of the region is nobody's: "1234567890" is no mobile in Egypt.
func standsForNone(n phone.Parsed, plain, region string) bool {
	digits := phone.Digits(plain)
	switch {
	case digits == "":
		return false
	case phone.LooksMadeUp(digits):
		return !n.Valid() || n.Doubtful || plain[0] != '+' && !asDialled(plain, region)
	case afterCode(digits) || strings.Trim(digits, "0") == "":
		return !n.Valid()
	}
	return false
}

// afterCode reports whether a placeholder follows a country code.
func afterCode(digits string) bool {
	for i := 1; i <= min(3, len(digits)) && digits[0] != '0'; i++ {
		code, _ := strconv.Atoi(digits[:i])
		if phonenumbers.GetRegionCodeForCountryCode(code) != phonenumbers.UNKNOWN_REGION && phone.LooksMadeUp(digits[i:]) {
			return true
		}
	}
	return false
}
