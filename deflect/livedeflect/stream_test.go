package livedeflect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// vendorReport is the example of the vendor's page.
const vendorReport = `{
  "success" :  "true",
  "data" :  {
    "473513" : [
      {
        "callId" :  "473513",
        "siteId" :  "25508804",
        "externalCallId" :  "1231",
        "beginTimeStamp" :  "1528932953300",
        "skill" :  "sales",
        "callerEnteredDigits" :  "9999",
        "callerInfo" :  "{\"userdefinedvar\":50,\"newtestvariable\":\"variablevalue1\",\"tshirtsize\":\"Large\"}",
        "conversationId" :  null,
        "customerCountryCode" :  "61",
        "customerPhoneNumber" :  "0400111222",
        "dialedCountryCode" :  "1",
        "dialedPhoneNumber" :  "4049903068",
        "eventType" :  "callstart",
        "eventInfo" :  "Y",
        "eventTime" :  "1528932953300",
        "externalConsumerId" :  "123-456789112"
      }
    ]
  }
}`

func vendorEvent() Event {
	at := time.UnixMilli(1528932953300)
	return Event{
		CallID: "473513", SiteID: "25508804", ExternalCallID: "1231", Skill: "sales", Begin: at,
		Type: EventCallStart, Info: "Y", Time: at,
		CustomerCountryCode: "61", CustomerPhoneNumber: "0400111222", DialedCountryCode: "1", DialedPhoneNumber: "4049903068",
		CallerEnteredDigits: "9999", ExternalConsumerID: "123-456789112",
		CallerInfo: map[string]any{
			"userdefinedvar": json.Number("50"), "newtestvariable": "variablevalue1", "tshirtsize": "Large",
		},
	}
}

// readAll returns the events and the malformed entries of an answer.
func readAll(r io.Reader) (events []Event, malformed []string, err error) {
	err = readReport(r, func(e entry) bool {
		if e.err != nil {
			malformed = append(malformed, fmt.Sprintf("%s/%d: %v", e.err.CallID, e.err.Index, e.err.Err))
		} else {
			events = append(events, e.event)
		}
		return true
	})
	return events, malformed, err
}

func TestVendorReport(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"whole":       strings.NewReader(vendorReport),
		"byte a read": iotest.OneByteReader(strings.NewReader(vendorReport)),
	} {
		events, malformed, err := readAll(r)
		if err != nil || malformed != nil {
			t.Fatalf("%s: %v, malformed %q", name, err, malformed)
		}
		if diff := cmp.Diff([]Event{vendorEvent()}, events); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", name, diff)
		}
	}
	if got := vendorEvent().CustomerID(); got != "123-456789112" {
		t.Errorf("CustomerID() = %q", got)
	}
}

// wrapped is an answer with one entry.
func wrapped(entry string) string { return `{"success":"true","data":{"7":[` + entry + `]}}` }

// TestEventFields changes one field of the vendor's example.
func TestEventFields(t *testing.T) {
	at := time.UnixMilli(1528932953300)
	tests := []struct {
		name, entry string
		want        Event
	}{
		{"nothing but an object", `{}`, Event{CallID: "7"}},
		{"callId from the key", `{"eventType":"sendtext"}`, Event{CallID: "7", Type: EventSendText}},
		{"callId of its own", `{"callId":"8"}`, Event{CallID: "8"}},
		{"numbers", `{"callId":473513,"beginTimeStamp":1528932953300,"eventTime":1.5289329533e12,"customerCountryCode":61,"customerPhoneNumber":400111222}`,
			Event{CallID: "473513", Begin: at, Time: at, CustomerCountryCode: "61", CustomerPhoneNumber: "400111222"}},
		{"seconds", `{"beginTimeStamp":"1528932953"}`, Event{CallID: "7", Begin: time.Unix(1528932953, 0)}},
		{"no times", `{"beginTimeStamp":null,"eventTime":""}`, Event{CallID: "7"}},
		{"time zero", `{"eventTime":"0"}`, Event{CallID: "7"}},
		{"conversation", `{"conversationId":"5e6ac3a2-0f3c-4a6b-9d51-2c7c1d6f2b11"}`, Event{CallID: "7", ConversationID: "5e6ac3a2-0f3c-4a6b-9d51-2c7c1d6f2b11"}},
		{"booleans", `{"eventInfo":true}`, Event{CallID: "7", Info: "true"}},
		{"customer id of the table", `{"externalCustomerId":"123456","externalCustomerIdDescriptor":"CustomerId"}`,
			Event{CallID: "7", ExternalCustomerID: "123456", ExternalCustomerIDDescriptor: "CustomerId"}},
		{"unknown type", `{"eventType":"textfailed"}`, Event{CallID: "7", Type: "textfailed"}},
		{"unknown fields", `{"agent":{"a":[1,2]},"x":null}`, Event{CallID: "7", Extra: map[string]json.RawMessage{"agent": []byte(`{"a":[1,2]}`), "x": []byte("null")}}},
		{"caller info as object", `{"callerInfo":{"a":1}}`, Event{CallID: "7", CallerInfo: map[string]any{"a": json.Number("1")}}},
		{"caller info that is no JSON", `{"callerInfo":"size=Large"}`, Event{CallID: "7", CallerInfoRaw: "size=Large"}},
		{"caller info of more than one value", `{"callerInfo":"{} {}"}`, Event{CallID: "7", CallerInfoRaw: "{} {}"}},
		{"caller info that is no object", `{"callerInfo":"[1]"}`, Event{CallID: "7", CallerInfoRaw: "[1]"}},
		{"no caller info", `{"callerInfo":null}`, Event{CallID: "7"}},
		{"empty caller info", `{"callerInfo":""}`, Event{CallID: "7"}},
		{"escaped names and values", `{"\u0063allId":"\u0034","skill":"sal\u00e9s"}`, Event{CallID: "4", Skill: "salés"}},
		{"a name twice", `{"skill":"a","skill":"b"}`, Event{CallID: "7", Skill: "b"}},
		{"other case", `{"SKILL":"a"}`, Event{CallID: "7", Extra: map[string]json.RawMessage{"SKILL": []byte(`"a"`)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events, malformed, err := readAll(strings.NewReader(wrapped(tt.entry)))
			if err != nil || malformed != nil {
				t.Fatalf("%v, malformed %q", err, malformed)
			}
			if diff := cmp.Diff([]Event{tt.want}, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMalformedEntries shows that the entries around one are not affected.
func TestMalformedEntries(t *testing.T) {
	const good = `{"callId":"1","eventType":"sendtext"}`
	tests := []struct{ entry, want string }{
		{`"x"`, "7/1: not an object"},
		{`5`, "7/1: not an object"},
		{`null`, "7/1: not an object"},
		{`[` + good + `]`, "7/1: not an object"},
		{`{"eventTime":"soon"}`, "7/1: eventTime is not a time in epoch milliseconds"},
		{`{"eventTime":-5}`, "7/1: eventTime is not a time in epoch milliseconds"},
		{`{"eventTime":"1e300"}`, "7/1: eventTime is not a time in epoch milliseconds"},
		{`{"eventTime":"99999999999999999999"}`, "7/1: eventTime is not a time in epoch milliseconds"},
		{`{"beginTimeStamp":{}}`, "7/1: beginTimeStamp is not a time in epoch milliseconds"},
		{`{"skill":["a"],"eventTime":"soon"}`, "7/1: skill is not a text"},
		{`{"conversationId":{}}`, "7/1: conversationId is not a text"},
	}
	for _, tt := range tests {
		events, malformed, err := readAll(strings.NewReader(wrapped(good + "," + tt.entry + "," + good)))
		if err != nil || len(events) != 2 || events[1].Type != EventSendText {
			t.Errorf("%s: %d events, %v", tt.entry, len(events), err)
		}
		if len(malformed) != 1 || malformed[0] != tt.want {
			t.Errorf("%s: malformed %q, want %q", tt.entry, malformed, tt.want)
		}
	}
	events, malformed, err := readAll(strings.NewReader(`{"data":{"1":"x","2":null,"3":{},"4":[` + good + `],"5":[]},"success":true}`))
	want := []string{"1/0: not a list of events", "3/0: not a list of events"}
	if diff := cmp.Diff(want, malformed); diff != "" || len(events) != 1 || err != nil {
		t.Errorf("calls that are no lists: %d events, %v, malformed (-want +got):\n%s", len(events), err, diff)
	}
}

func TestAnswersWithoutEvents(t *testing.T) {
	tests := []struct {
		name, answer, want string
	}{
		{"empty data", `{"success":"true","data":{}}`, ""},
		{"data null", `{"success":"true","data":null}`, ""},
		{"empty list", `{"success":true,"data":[]}`, ""},
		{"no data", `{"success":"TRUE"}`, "the answer holds no data"},
		{"no success", `{"data":{}}`, ""},
		{"more names", `{"success":"true","page":{"n":[1]},"data":{}}`, ""},
		{"white space after it", `{"success":"true","data":{}}` + " \r\n", ""},
		{"another answer after it", `{"success":"true","data":{}}{"success":"false"}`, "something follows the answer"},
		{"text after it", `{"success":"true","data":{}} ok`, "jsontext: invalid character 'o' at start of value after offset 29"},
		{"success false", `{"success":"false"}`, "the answer says that it is no success"},
		{"success false with data", `{"data":{},"success":false}`, "the answer says that it is no success"},
		{"success false and a comma too many", `{"success":"false","message":"{}",}`, "the answer says that it is no success"},
		{"an error", `{"error":"no such account"}`, "the answer says that it is no success"},
		{"nothing said", `{}`, "the answer holds no success"},
		{"data is a list of calls", `{"success":"true","data":[[{"callId":"1"}]]}`, "the answer's data is not a map of calls"},
		{"data is a text", `{"success":"true","data":"none"}`, "the answer's data is not a map of calls"},
		{"a list", `[]`, "the answer is not a JSON object"},
		{"a text", `"x"`, "the answer is not a JSON object"},
		{"empty", ``, "the answer is empty"},
		{"HTML", " \n<!DOCTYPE html><html><body>Maintenance</body></html>", "the answer is an HTML page, not JSON"},
		{"garbage", "\xff\xfe\x00", `jsontext: invalid character '\xff' at start of value`},
		{"cut in a name", vendorReport[:40], "EOF"},
		{"cut in an entry", vendorReport[:len(vendorReport)-30], "EOF"},
		{"cut in an escape", `{"success":"true","data":{"1":[{"skill":"\u00`, "EOF"},
		{"cut before the end", `{"success":"true","data":{}`, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := readAll(strings.NewReader(tt.answer))
			switch {
			case tt.want == "EOF":
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("err = %v, want an unexpected EOF", err)
				}
			case tt.want == "" && err != nil, tt.want != "" && (err == nil || err.Error() != tt.want):
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
}

// TestEndlessAnswers reads what does not end, and must not be kept.
func TestEndlessAnswers(t *testing.T) {
	for name, tt := range map[string]struct{ start, again string }{
		"white space":       {``, ` `},
		"a name":            {`{"`, `a`},
		"a skipped value":   {`{"x":["`, `a`},
		"a call's id":       {`{"data":{"`, `1`},
		"a text":            {`{"data":{"1":[{"skill":"`, `a`},
		"names of an entry": {`{"data":{"1":[{"a":1`, `,"a":1`},
		"nesting":           {`{"data":{"1":[{"a":`, `[`},
	} {
		src := io.MultiReader(strings.NewReader(tt.start), &endless{text: tt.again})
		_, _, err := readAll(src)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if name != "nesting" && !errors.Is(err, wire.ErrEntryLarge) {
			t.Errorf("%s: %v, want %v", name, err, wire.ErrEntryLarge)
		}
	}
}

type endless struct {
	text string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read > 8*wire.MaxEntry {
		return 0, errors.New("was read on and on")
	}
	for i := range p {
		p[i] = e.text[e.read%len(e.text)]
		e.read++
	}
	return len(p), nil
}

// TestReportSplits reads an answer that arrives in two pieces, cut anywhere.
func TestReportSplits(t *testing.T) {
	want := []Event{vendorEvent()}
	for i := range len(vendorReport) {
		events, malformed, err := readAll(io.MultiReader(strings.NewReader(vendorReport[:i]), strings.NewReader(vendorReport[i:])))
		if err != nil || malformed != nil || !cmp.Equal(want, events) {
			t.Fatalf("cut at %d: %d events, malformed %q, %v", i, len(events), malformed, err)
		}
	}
}

func TestReadReportStops(t *testing.T) {
	n := 0
	err := readReport(&manyCalls{left: 100}, func(entry) bool { n++; return n < 10 })
	if err != wire.ErrStopped || n != 10 {
		t.Errorf("%d entries, %v", n, err)
	}
}

// FuzzReport feeds the decoder with anything: what it accepts, encoding/json
// accepts too, and finds as many entries in; an entry is text of its input.
func FuzzReport(f *testing.F) {
	for _, seed := range []string{
		vendorReport, wrapped(`{"eventTime":"soon"},5,null`), `{"success":"false","message":"{}",}`, `{"data":null}`,
		`{"success":true,"data":{"1":[{"callerInfo":"{\"a\":[1,{\"b\":null}]}","conversationId":null}],"2":[]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		events, malformed, err := readAll(bytes.NewReader(data))
		again, more, errAgain := readAll(iotest.OneByteReader(bytes.NewReader(data)))
		if !cmp.Equal(events, again) || !cmp.Equal(malformed, more) || (err == nil) != (errAgain == nil) {
			t.Fatalf("differs byte by byte: %v and %v", err, errAgain)
		}
		for _, e := range events {
			for _, shown := range []string{e.String(), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e)} {
				if n := string(e.CustomerPhoneNumber); len(n) > 6 && strings.Contains(shown, n) && !strings.Contains(e.CallID, n) {
					t.Fatalf("%q shows the number", shown)
				}
			}
		}
		if err != nil {
			return
		}
		// The whole text may go on after the object; encoding/json reads the first value.
		var answer struct {
			Data map[string]json.RawMessage `json:"data"`
		}
		if json.NewDecoder(bytes.NewReader(data)).Decode(&answer) != nil {
			return // a data that is a list, or invalid UTF-8
		}
		if bytes.Count(data, []byte(`"data"`)) > 1 || bytes.ContainsAny(data, "\\") {
			return
		}
		want := 0
		for _, raw := range answer.Data {
			var list []json.RawMessage
			if json.Unmarshal(raw, &list) != nil {
				want++
			} else {
				want += len(list)
			}
		}
		if got := len(events) + len(malformed); got < want {
			t.Fatalf("%d entries, encoding/json finds %d", got, want)
		}
	})
}
