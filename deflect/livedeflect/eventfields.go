package livedeflect

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// eventFields says how each field of the page is read.
var eventFields = map[string]func(s *reportStream, e *Event, v jsontext.Value) error{
	"callId":                       textField("callId", func(e *Event) *string { return &e.CallID }),
	"siteId":                       textField("siteId", func(e *Event) *string { return &e.SiteID }),
	"externalCallId":               textField("externalCallId", func(e *Event) *string { return &e.ExternalCallID }),
	"skill":                        textField("skill", func(e *Event) *string { return &e.Skill }),
	"eventType":                    textField("eventType", func(e *Event) *string { return (*string)(&e.Type) }),
	"eventInfo":                    textField("eventInfo", func(e *Event) *string { return &e.Info }),
	"conversationId":               textField("conversationId", func(e *Event) *string { return &e.ConversationID }),
	"customerCountryCode":          textField("customerCountryCode", func(e *Event) *string { return &e.CustomerCountryCode }),
	"customerPhoneNumber":          textField("customerPhoneNumber", func(e *Event) *string { return (*string)(&e.CustomerPhoneNumber) }),
	"dialedCountryCode":            textField("dialedCountryCode", func(e *Event) *string { return &e.DialedCountryCode }),
	"dialedPhoneNumber":            textField("dialedPhoneNumber", func(e *Event) *string { return (*string)(&e.DialedPhoneNumber) }),
	"callerEnteredDigits":          textField("callerEnteredDigits", func(e *Event) *string { return &e.CallerEnteredDigits }),
	"externalCustomerId":           textField("externalCustomerId", func(e *Event) *string { return &e.ExternalCustomerID }),
	"externalConsumerId":           textField("externalConsumerId", func(e *Event) *string { return &e.ExternalConsumerID }),
	"externalCustomerIdDescriptor": textField("externalCustomerIdDescriptor", func(e *Event) *string { return &e.ExternalCustomerIDDescriptor }),
	"beginTimeStamp":               timeField("beginTimeStamp", func(e *Event) *time.Time { return &e.Begin }),
	"eventTime":                    timeField("eventTime", func(e *Event) *time.Time { return &e.Time }),
	"callerInfo":                   readCallerInfo,
}

func textField(name string, field func(*Event) *string) func(*reportStream, *Event, jsontext.Value) error {
	return func(s *reportStream, e *Event, v jsontext.Value) error {
		b, ok := wire.ScalarOf(v)
		if !ok {
			return errors.New(name + " is not a text")
		}
		if last := *field(&s.last); last == string(b) {
			*field(e) = last // no copy
		} else {
			*field(e) = string(b)
		}
		return nil
	}
}

func timeField(name string, field func(*Event) *time.Time) func(*reportStream, *Event, jsontext.Value) error {
	return func(_ *reportStream, e *Event, v jsontext.Value) error {
		b, ok := wire.ScalarOf(v)
		t, isTime := parseEpoch(b)
		if !ok || !isTime {
			return errors.New(name + " is not a time in epoch milliseconds")
		}
		*field(e) = t
		return nil
	}
}

// parseEpoch reads milliseconds. Fewer than twelve digits are seconds: the
// report echoes times of the request, whose unit the vendor's pages dispute.
func parseEpoch(b []byte) (time.Time, bool) {
	if len(b) == 0 {
		return time.Time{}, true
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(string(b), 64)
		if err != nil || math.Trunc(f) != f || math.Abs(f) > 1e15 {
			return time.Time{}, false
		}
		n = int64(f)
	}
	switch {
	case n < 0 || n > 1e15:
		return time.Time{}, false
	case n == 0:
		return time.Time{}, true
	case n < 1e11:
		return time.Unix(n, 0), true
	}
	return time.UnixMilli(n), true
}

// readCallerInfo takes an object, or the text of one: the request has an object
// and the report its text.
func readCallerInfo(s *reportStream, e *Event, v jsontext.Value) error {
	b := []byte(v)
	if v.Kind() == '"' {
		b = wire.Unquote(v)
	}
	switch {
	case v.Kind() == 'n', len(b) == 0:
		return nil
	case string(b) != s.info:
		s.info, s.infoMap = string(b), nil
		if len(b) > wire.MaxInfo {
			break // nobody sent that
		}
		s.grown += infoGrowth * len(b)
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		var m map[string]any
		if dec.Decode(&m) == nil && !dec.More() {
			s.infoMap = m
		}
	}
	if e.CallerInfo = s.infoMap; s.infoMap == nil {
		e.CallerInfoRaw = s.info
	}
	return nil
}
