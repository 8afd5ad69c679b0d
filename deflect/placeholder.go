package deflect

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// hidden are the words that switches and carriers put where the number of a
// caller who withholds it would be.
var hidden = map[string]bool{
	"anonymous": true, "restricted": true, "private": true, "unavailable": true,
	"unknown": true, "withheld": true, "blocked": true, "asserted": true,
}

// keyedIn are the same words on a telephone's keypad, which is what is left of them
// where only digits pass.
var keyedIn = func() map[string]bool {
	const keys = "22233344455566677778889999" // of a to z
	spelled := map[string]bool{}
	for word := range hidden {
		spelled[strings.Map(func(r rune) rune { return rune(keys[r-'a']) }, word)] = true
	}
	return spelled
}()

// Hidden reports whether the number stands for a withheld caller id whatever the
// region: one of the words for it ("anonymous", "restricted", ...), nothing but
// zeros, or empty. Other placeholders ("1234567890") are numbers somewhere; calls
// from them count as hidden where they are not, see [Client.Offer].
func (n PhoneNumber) Hidden() bool {
	s := strings.ToLower(strings.TrimSpace(string(n)))
	return strings.Trim(s, "0") == "" || hidden[s]
}

// shortestRun is how many digits a run has at least: shorter ones are extensions.
const shortestRun = 6

// standsForNone reports whether a plain number, read as n, is a placeholder: it looks
// like one, alone or after a country code, and is not somebody's all the same, as
// "9999999999" is in India. Alone, a number that lacks what is dialled before numbers
// of the region is nobody's: "1234567890" is no mobile in Egypt.
func (n number) standsForNone(plain, region string) bool {
	digits := onlyDigits(plain)
	switch {
	case digits == "":
		return false
	case placeholderShape(digits):
		return !n.valid() || n.doubtful || plain[0] != '+' && !asDialled(plain, region)
	case afterCode(digits) || strings.Trim(digits, "0") == "":
		return !n.valid()
	}
	return false
}

// afterCode reports whether a placeholder follows a country code.
func afterCode(digits string) bool {
	for i := 1; i <= min(3, len(digits)) && digits[0] != '0'; i++ {
		code, _ := strconv.Atoi(digits[:i])
		if phonenumbers.GetRegionCodeForCountryCode(code) != phonenumbers.UNKNOWN_REGION && placeholderShape(digits[i:]) {
			return true
		}
	}
	return false
}

// placeholderShape reports whether digits are one digit over and over, count up, or
// spell one of the words.
func placeholderShape(digits string) bool {
	if len(digits) < shortestRun {
		return false
	}
	same, up := true, true
	for i := 1; i < len(digits); i++ {
		same = same && digits[i] == digits[0]
		up = up && digits[i] == (digits[i-1]-'0'+1)%10+'0'
	}
	return same || up || keyedIn[digits]
}
