package phone

import "strings"

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
// zeros, or empty. Other placeholders ("1234567890") are numbers somewhere; see
// [Parsed].Placeholder.
func (n Number) Hidden() bool {
	s := strings.ToLower(strings.TrimSpace(string(n)))
	return strings.Trim(s, "0") == "" || hidden[s]
}

// shortestRun is how many digits a run has at least: shorter ones are extensions.
const shortestRun = 6

// LooksMadeUp reports whether digits are one digit over and over, count up, or spell a
// word for a withheld caller id. In some countries people have such numbers.
func LooksMadeUp(digits string) bool {
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
