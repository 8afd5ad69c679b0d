package deflecttest

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

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
