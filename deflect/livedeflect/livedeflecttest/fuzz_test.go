package livedeflecttest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// FuzzCheck tries any body. What is accepted says the same when it is written
// again, and has all that a request must have.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(testBody(f, nil)), byte(0))
	f.Add([]byte(testBody(f, map[string]any{"callBeginTime": "1528932953", "deflectionAcceptTime": "1528932953"})), byte(2))
	f.Add([]byte(`{"siteId":"1","siteId":{"a":[1,null,{}]}}`), byte(1))
	f.Add([]byte(`{"callerInfo":{"a":{"a":"\ud800"}},"deflectionHandle":""}`), byte(0))
	f.Add([]byte("null"), byte(0))

	f.Fuzz(func(t *testing.T, body []byte, unit byte) {
		s := New(Config{TimeUnit: TimeUnit(unit % 3)})
		a := &double.Arrival{Header: http.Header{"Content-Type": {double.JSONType}, "Accept": {double.JSONType}}, Body: body}
		externalCallID(a)
		if json.Valid(body) {
			double.DuplicateKeys(body) // must not run off the end
		}
		d, reason := s.check(a)
		if reason != "" {
			return
		}
		for _, field := range fields {
			if field.Required && *field.Value(&d) == "" {
				t.Errorf("accepted without %s", field.Name)
			}
		}
		if externalCallID(a) != d.ExternalCallID {
			t.Errorf("externalCallId is %q in the record, %q in the text", externalCallID(a), d.ExternalCallID)
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		d2, reason := s.check(&double.Arrival{Header: a.Header, Body: again})
		if reason != "" && len(again) <= double.MaxBody {
			t.Fatalf("refused when written again: %s", reason)
		}
		d.CallerInfo, d2.CallerInfo = nil, nil // may be spaced differently
		if diff := cmp.Diff(d, d2); diff != "" && len(again) <= double.MaxBody {
			t.Errorf("-first +again:\n%s", diff)
		}
	})
}

// FuzzCheckReport tries any body of a request for a report. What is accepted is
// a window, the same one when it is written again, and gets a report.
func FuzzCheckReport(f *testing.F) {
	f.Add([]byte(`{"siteId":"25508804","startTime":"1428934391000","endTime":"1428934401000"}`))
	f.Add([]byte(`{"siteId":"\u0000","startTime":"946684800000","endTime":"946684800000"}`))
	f.Add([]byte(`{"siteid":"1","startTime":1428934391000,"endTime":null}`))
	f.Add([]byte(`{"siteId":"1","siteId":"2","startTime":"9223372036854775808","endTime":"-1"}`))
	f.Add([]byte(`{"callerInfo":{"a":[[[[]]]]}}`))
	f.Add([]byte("\ufeff{}"))

	f.Fuzz(func(t *testing.T, body []byte) {
		s := New(Config{})
		header := http.Header{"Content-Type": {double.JSONType}, "Accept": {double.JSONType}}
		w, reason := s.checkReport(&double.Arrival{Header: header, Body: body})
		if (w == nil) == (reason == "") {
			t.Fatalf("got window %v and reason %q", w, reason)
		}
		if w == nil {
			return
		}
		const first, last = 100_000_000_000, 9_999_999_999_999 // 12 and 13 digits
		if w.siteID == "" || w.start < first || w.end < w.start || w.end > last {
			t.Errorf("accepted %+v", w)
		}
		site, err := json.Marshal(w.siteID)
		if err != nil {
			t.Fatal(err)
		}
		again := fmt.Sprintf(`{"endTime":"%d","startTime":"%d","siteId":%s}`, w.end, w.start, site)
		if w2, reason := s.checkReport(&double.Arrival{Header: header, Body: []byte(again)}); w2 == nil || *w2 != *w {
			t.Errorf("got %+v, then %+v, %s", w, w2, reason)
		}
		s.SetReport(Report{Big: 7})
		big, err := io.ReadAll(s.report(*w, false).Wire())
		if err != nil || !json.Valid(big) {
			t.Errorf("got %s, %v", big, err)
		}
	})
}

// FuzzPage holds that a report is JSON whatever was sent and however odd it is,
// and that texts come back as they were.
func FuzzPage(f *testing.F) {
	f.Add("sales", "Reply \"here\" \\ \n <&>", `{"a":"\ud800\u2028"}`, uint16(0))
	f.Add("é\u2028\x7f", "", `{}`, uint16(1<<16-1))
	f.Add("", "\x00\xff", `{ "a" : [1e999, null] }`, uint16(0b101010101))
	f.Fuzz(func(t *testing.T, skill, text, info string, knobs uint16) {
		on := func(bit int) bool { return knobs>>bit&1 == 1 }
		odd := Oddity{
			Numbers: on(0), CallerInfoObject: on(1), CallerInfoBroken: on(2), TrunkZero: on(3), Shuffled: on(4), Repeated: on(5),
			UnknownEvents: on(6), UnknownFields: on(7), SuccessLast: on(8), BadEvery: int(knobs >> 9 & 3),
			CustomerIDName: CustomerIDName(knobs >> 11 % 3),
		}
		if !json.Valid([]byte(info)) {
			info = ""
		}
		p := newPage(odd, on(13))
		var b []byte
		for range 3 {
			b = p.appendEntry(b, entry{
				Deflection: Deflection{
					CallID: "1", Skill: skill, CallerInfo: json.RawMessage(info),
					CustomerCountryCode: "1", CustomerPhoneNumber: "0400", DialedCountryCode: "1", DialedPhoneNumber: "402",
				},
				events: []event{{"callstart", "Y", 1}, {"sendtext", text, 2}},
			})
		}
		b = p.appendEnd(b)
		if !json.Valid(b) {
			t.Fatalf("got %s", b)
		}
		var back string
		if err := json.Unmarshal(appendString(nil, text), &back); err != nil || utf8.ValidString(text) && back != text {
			t.Errorf("got %q, %v, want %q", back, err, text)
		}
	})
}
