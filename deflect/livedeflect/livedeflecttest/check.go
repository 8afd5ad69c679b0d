package livedeflecttest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

const pathContextAndInvite = "/api/contextAndInvite"

// maxText is the longest deflectionText, in characters: what a text that is
// sent in parts can hold.
const maxText = 1600

// E.164: a country code has up to three digits and a whole number up to 15. A
// national part with its trunk prefix has no more than that either.
const (
	maxCountryCode = 3
	maxNumber      = 15
)

// check holds a request to contextAndInvite against the published table and
// example. All problems go into one reason.
func (s *Server) check(a *double.Arrival) (Deflection, string) {
	problems := double.CheckHeader(a)
	d, more := decodeDeflection(a)
	problems = append(problems, more...)
	if len(more) == 0 {
		problems = append(problems, s.checkValues(d)...)
	}
	return d, strings.Join(problems, "; ")
}

// checkValues looks at what the fields say. Each rule is silent about a field
// that is empty: whether it may be is another rule.
func (s *Server) checkValues(d Deflection) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }

	problems = append(double.Missing(fields, &d), s.checkSite(d.SiteID)...)
	if d.IsMobile != "" && d.IsMobile != "true" {
		bad(`isMobile must be "true"`)
	}
	if d.DeflectionChannel != "" && d.DeflectionChannel != "sms" {
		bad(`deflectionChannel must be "sms"`)
	}
	for _, code := range []struct{ name, value string }{
		{"customerCountryCode", d.CustomerCountryCode},
		{"dialedCountryCode", d.DialedCountryCode},
	} {
		if code.value != "" && (!double.DigitsOnly(code.value) || len(code.value) > maxCountryCode || code.value[0] == '0') {
			bad("%s must be a country code in digits", code.name)
		}
	}
	for _, number := range []struct{ name, value string }{
		{"customerPhoneNumber", d.CustomerPhoneNumber},
		{"dialedPhoneNumber", d.DialedPhoneNumber},
		{"deflectionHandle", d.DeflectionHandle},
	} {
		if number.value != "" && (!double.DigitsOnly(number.value) || len(number.value) > maxNumber) {
			bad("%s must be up to %d digits", number.name, maxNumber)
		}
	}
	if !handleFits(d) {
		bad("deflectionHandle must be customerCountryCode and customerPhoneNumber")
	}
	begin, accept := moment{"callBeginTime", d.CallBeginTime}, moment{"deflectionAcceptTime", d.DeflectionAcceptTime}
	problems = append(problems, s.cfg.TimeUnit.check(begin, accept)...)
	if (d.ExternalCustomerID == "") != (d.ExternalCustomerIDDescriptor == "") {
		bad("externalCustomerId and externalCustomerIdDescriptor must come together")
	}
	if d.DeflectionTextTag != "" && d.DeflectionTagText != "" && d.DeflectionTextTag != d.DeflectionTagText {
		bad("deflectionTextTag and deflectionTagText must agree")
	}
	if utf8.RuneCountInString(d.DeflectionText) > maxText {
		bad("deflectionText is longer than %d characters", maxText)
	}
	return problems
}

// handleFits takes the handle with or without the trunk prefix, one leading 0,
// that a national number may bring: the vendor's pages show such numbers, but
// never together with their handle.
func handleFits(d Deflection) bool {
	if d.DeflectionHandle == "" || d.CustomerCountryCode == "" || d.CustomerPhoneNumber == "" {
		return true
	}
	national, ok := strings.CutPrefix(d.DeflectionHandle, d.CustomerCountryCode)
	return ok && (national == d.CustomerPhoneNumber || national == strings.TrimPrefix(d.CustomerPhoneNumber, "0"))
}

// moment is a time of a request.
type moment struct{ name, value string }

// check looks at the two times of a request.
func (u TimeUnit) check(first, last moment) (problems []string) {
	for _, t := range []moment{last, first} {
		unit := unitOf(t.value)
		if t.value == "" || unit == u || u == Any && unit != noUnit {
			continue
		}
		problems = append(problems, fmt.Sprintf("%s must be epoch %s in digits", t.name, u))
	}
	switch {
	case len(problems) > 0, first.value == "", last.value == "":
		return problems
	case unitOf(first.value) != unitOf(last.value):
		return []string{last.name + " and " + first.name + " must have the same unit"}
	case milliseconds(last.value) < milliseconds(first.value):
		return []string{last.name + " must not be before " + first.name}
	}
	return nil
}

func (s *Server) checkSite(siteID string) (problems []string) {
	if s.cfg.SiteID != "" && siteID != "" && siteID != s.cfg.SiteID {
		return []string{"siteId is not the account of this key"}
	}
	return nil
}

func (u TimeUnit) String() string {
	switch u {
	case Milliseconds:
		return "milliseconds"
	case Seconds:
		return "seconds"
	}
	return "milliseconds or seconds"
}

// noUnit is the unit of what is not a time.
const noUnit TimeUnit = -1

// unitOf tells the unit of a time by its length. A time of today has 13 or 10
// digits. One less is a time between 1973 and 2001: the clock of a
// testing/synctest bubble starts at the year 2000.
func unitOf(s string) TimeUnit {
	if !double.DigitsOnly(s) || s[0] == '0' {
		return noUnit
	}
	switch len(s) {
	case 12, 13:
		return Milliseconds
	case 9, 10:
		return Seconds
	}
	return noUnit
}

// milliseconds reads a time that has a unit.
func milliseconds(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // as many digits as an epoch time has fit
	if unitOf(s) == Seconds {
		n *= 1000
	}
	return n
}
