package livedeflecttest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzVerify tries any header, and then a signature over made-up parts: it
// verifies once, is then a used nonce, and never verifies with a changed byte.
func FuzzVerify(f *testing.F) {
	cfg := testConfig()
	valid := authorize(cfg, http.MethodPost, testURL, oauthParams(cfg, "n"))
	for _, h := range []string{
		valid, strings.Replace(valid, "OAuth ", `oauth realm="a\"b, c", `, 1), "", "OAuth", `OAuth a="%2`,
		`OAuth realm="\`, `OAuth a="1", a="1"`, "Bearer x",
	} {
		f.Add(h, "nonce", "a=b&c=%20&c", "x y", byte(3), byte(1))
	}
	f.Add("", "\x00é", "", "", byte(27), byte(255))
	f.Add("", "n", "%zz", "oauth_token", byte(0), byte(128))

	f.Fuzz(func(t *testing.T, raw, nonce, query, extra string, at, flip byte) {
		v := newVerifier(cfg)
		a := &arrival{
			method: http.MethodPost, scheme: "https", host: "va.ivrdeflect.liveperson.net", escapedPath: testPath,
			header: http.Header{"Authorization": {raw}},
		}
		if v.verify(a) == "" {
			if got := v.verify(a); got != reasonNonce {
				t.Errorf("verifies again: %q", got)
			}
		}

		v = newVerifier(cfg)
		oauth := oauthParams(cfg, nonce)
		oauth["x"+extra] = extra
		a.rawQuery = query
		params := []param{}
		for name, value := range oauth {
			params = append(params, param{name, value})
		}
		signed, reason := signedParameters(a, params)
		signature := sign(baseString(a.method, baseURI(a.scheme, a.host, a.escapedPath), signed), cfg.ConsumerSecret, cfg.TokenSecret)
		set := func(signature string) {
			all := maps.Clone(oauth)
			all["oauth_signature"] = signature
			a.header.Set("Authorization", header(all))
		}
		if flip != 0 {
			flipped := []byte(signature)
			flipped[int(at)%len(flipped)] ^= flip
			set(string(flipped))
			if got := v.verify(a); got == "" || got == reasonNonce {
				t.Errorf("signature %q verifies for %q: %q", flipped, signature, got)
			}
		}
		set(signature)
		got := v.verify(a)
		if nonce == "" || reason != "" || len(a.header.Get("Authorization")) > maxAuthorization {
			if got == "" {
				t.Error("verifies without a nonce, with a bad query, or with a header too long")
			}
			return
		}
		if got != "" {
			t.Errorf("does not verify: %q", got)
		}
		if got := v.verify(a); got != reasonNonce {
			t.Errorf("verifies again: %q", got)
		}
	})
}

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
		a := &arrival{header: http.Header{"Content-Type": {jsonType}, "Accept": {jsonType}}, body: body}
		a.externalCallID()
		if json.Valid(body) {
			duplicateKeys(body) // must not run off the end
		}
		d, reason := s.check(a)
		if reason != "" {
			return
		}
		for _, field := range fields {
			if field.required && *field.value(&d) == "" {
				t.Errorf("accepted without %s", field.name)
			}
		}
		if a.externalCallID() != d.ExternalCallID {
			t.Errorf("externalCallId is %q in the record, %q in the text", a.externalCallID(), d.ExternalCallID)
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		d2, reason := s.check(&arrival{header: a.header, body: again})
		if reason != "" && len(again) <= maxBody {
			t.Fatalf("refused when written again: %s", reason)
		}
		d.CallerInfo, d2.CallerInfo = nil, nil // may be spaced differently
		if diff := cmp.Diff(d, d2); diff != "" && len(again) <= maxBody {
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
		header := http.Header{"Content-Type": {jsonType}, "Accept": {jsonType}}
		w, reason := s.checkReport(&arrival{header: header, body: body})
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
		if w2, reason := s.checkReport(&arrival{header: header, body: []byte(again)}); w2 == nil || *w2 != *w {
			t.Errorf("got %+v, then %+v, %s", w, w2, reason)
		}
		s.SetReport(Report{Big: 7})
		big, err := io.ReadAll(s.report(*w, false).wire())
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

// FuzzParseFault holds that a fault that can be read is written as it was read.
func FuzzParseFault(f *testing.F) {
	for _, s := range []string{"status=500", "hang-after,truncate", "delay=1s,status=429,retry-after=1,body=a,b", "redirect=x,status=302", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fault, err := ParseFault(s)
		if err != nil {
			return
		}
		if again, err := ParseFault(fault.String()); err != nil || again != fault {
			t.Errorf("%q gives %+v, then %q gives %+v, %v", s, fault, fault.String(), again, err)
		}
		if len(fault.kinds()) > 1 {
			t.Errorf("%q gives several faults: %+v", s, fault)
		}
	})
}
