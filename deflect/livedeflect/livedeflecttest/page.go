package livedeflecttest

import (
	"encoding/json"
	"strconv"
)

// page writes a report, one call after the other, by hand: the order of calls
// and fields must be kept, and a large report must cost little.
type page struct {
	odd           Oddity
	before, after string // around data
	calls, events int    // written so far
	head, tail    []byte // what the events of one call share, around their own
}

func newPage(odd Oddity, boolean bool) *page {
	success := `"success":"true"`
	if boolean {
		success = `"success":true`
	}
	if odd.SuccessLast {
		return &page{odd: odd, before: `{"data":`, after: `,` + success + `}`}
	}
	return &page{odd: odd, before: `{` + success + `,"data":`, after: `}`}
}

// appendEntry writes a call that has events.
func (p *page) appendEntry(b []byte, e entry) []byte {
	if p.calls == 0 {
		b = append(append(b, p.before...), '{')
	} else {
		b = append(b, ',')
	}
	p.calls++
	p.share(e)
	b = append(appendString(b, e.CallID), ':', '[')
	for i, ev := range p.odd.rearrange(e.events) {
		if i > 0 {
			b = append(b, ',')
		}
		bad, isBad := p.odd.bad(p.calls)
		isBad = isBad && i == 0
		if isBad && bad != "" {
			b = append(b, bad...)
		} else {
			b = p.appendEvent(b, ev, isBad)
		}
		p.events++
	}
	return append(b, ']')
}

// appendEnd ends the report.
func (p *page) appendEnd(b []byte) []byte {
	if p.calls == 0 {
		b = append(append(b, p.before...), p.odd.nothing()...)
	} else {
		b = append(b, '}')
	}
	return append(b, p.after...)
}

func (p *page) appendEvent(b []byte, ev event, timeless bool) []byte {
	b = append(b, p.head...)
	b = appendString(b, ev.kind)
	b = append(b, `,"eventInfo":`...)
	b = appendString(b, ev.info)
	b = append(b, `,"eventTime":`...)
	if timeless {
		b = append(b, badTime...)
	} else {
		b = p.appendTime(b, ev.at)
	}
	return append(b, p.tail...)
}

// share prepares what the events of a call have in common, in the order of the
// vendor's example. What the request did not bring is null.
func (p *page) share(e entry) {
	b := appendString(append(p.head[:0], `{"callId":`...), e.CallID)
	b = appendString(append(b, `,"siteId":`...), e.SiteID)
	b = appendString(append(b, `,"externalCallId":`...), e.ExternalCallID)
	b = p.appendTime(append(b, `,"beginTimeStamp":`...), e.begin)
	b = appendString(append(b, `,"skill":`...), e.Skill)
	b = appendOptional(append(b, `,"callerEnteredDigits":`...), e.CallerEnteredDigits)
	b = p.appendCallerInfo(append(b, `,"callerInfo":`...), e.CallerInfo)
	b = appendOptional(append(b, `,"conversationId":`...), e.conversation)
	b = p.appendDigits(append(b, `,"customerCountryCode":`...), e.CustomerCountryCode)
	b = p.appendCustomerNumber(append(b, `,"customerPhoneNumber":`...), e.CustomerPhoneNumber)
	b = p.appendDigits(append(b, `,"dialedCountryCode":`...), e.DialedCountryCode)
	b = p.appendDigits(append(b, `,"dialedPhoneNumber":`...), e.DialedPhoneNumber)
	p.head = append(b, `,"eventType":`...)

	b = p.tail[:0]
	for _, key := range customerIDKeys[p.odd.CustomerIDName] {
		b = appendOptional(append(b, key...), e.ExternalCustomerID)
	}
	if p.odd.UnknownFields {
		b = append(b, unknownField...)
	}
	p.tail = append(b, '}')
}

func (p *page) appendCallerInfo(b []byte, info json.RawMessage) []byte {
	switch {
	case p.odd.CallerInfoBroken:
		return appendString(b, brokenInfo)
	case p.odd.CallerInfoObject && len(info) > 0:
		return append(b, info...)
	}
	return appendOptional(b, string(info))
}

func (p *page) appendCustomerNumber(b []byte, number string) []byte {
	if p.odd.TrunkZero && number[0] != '0' {
		number = "0" + number
	}
	return p.appendDigits(b, number)
}

func (p *page) appendTime(b []byte, ms int64) []byte {
	if p.odd.Numbers {
		return strconv.AppendInt(b, ms, 10)
	}
	return append(strconv.AppendInt(append(b, '"'), ms, 10), '"')
}

// appendDigits writes a number of the telephone.
func (p *page) appendDigits(b []byte, digits string) []byte {
	if p.odd.Numbers && digits[0] != '0' {
		return append(b, digits...)
	}
	return appendString(b, digits)
}

func appendOptional(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, s)
}

// appendString writes a JSON string. Nearly all have nothing to escape.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			escaped, _ := json.Marshal(s) // strings always marshal
			return append(b, escaped...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
