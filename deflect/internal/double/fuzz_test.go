package double

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

const (
	testPath = "/api/contextAndInvite"
	testURL  = "https://va.ivrdeflect.liveperson.net" + testPath
)

var testKeys = Keys{
	ConsumerKey: "0123456789abcdef0123456789abcdef", ConsumerSecret: "appsecret",
	Token: "fedcba9876543210fedcba9876543210", TokenSecret: "tokensecret",
}

// oauthParams are the parameters of a signature that is yet to be made.
func oauthParams(nonce string) map[string]string {
	return map[string]string{
		"oauth_consumer_key": testKeys.ConsumerKey, "oauth_token": testKeys.Token,
		"oauth_signature_method": "HMAC-SHA1", "oauth_version": "1.0",
		"oauth_timestamp": "1528932953", "oauth_nonce": nonce,
	}
}

// FuzzVerify tries any header, and then a signature over made-up parts: it
// verifies once, is then a used nonce, and never verifies with a changed byte.
func FuzzVerify(f *testing.F) {
	k := testKeys
	valid := Authorize(k, http.MethodPost, testURL, oauthParams("n"))
	for _, h := range []string{
		valid, strings.Replace(valid, "OAuth ", `oauth realm="a\"b, c", `, 1), "", "OAuth", `OAuth a="%2`,
		`OAuth realm="\`, `OAuth a="1", a="1"`, "Bearer x",
	} {
		f.Add(h, "nonce", "a=b&c=%20&c", "x y", byte(3), byte(1))
	}
	f.Add("", "\x00é", "", "", byte(27), byte(255))
	f.Add("", "n", "%zz", "oauth_token", byte(0), byte(128))

	f.Fuzz(func(t *testing.T, raw, nonce, query, extra string, at, flip byte) {
		v := NewVerifier(k)
		a := &Arrival{
			Method: http.MethodPost, Scheme: "https", Host: "va.ivrdeflect.liveperson.net", EscapedPath: testPath,
			Header: http.Header{"Authorization": {raw}},
		}
		if v.Verify(a) == "" {
			if got := v.Verify(a); got != ReasonNonce {
				t.Errorf("verifies again: %q", got)
			}
		}

		v = NewVerifier(k)
		oauth := oauthParams(nonce)
		oauth["x"+extra] = extra
		a.RawQuery = query
		params := []param{}
		for name, value := range oauth {
			params = append(params, param{name, value})
		}
		signed, reason := signedParameters(a, params)
		signature := sign(baseString(a.Method, baseURI(a.Scheme, a.Host, a.EscapedPath), signed), k.ConsumerSecret, k.TokenSecret)
		set := func(signature string) {
			all := maps.Clone(oauth)
			all["oauth_signature"] = signature
			a.Header.Set("Authorization", AuthorizationHeader(all))
		}
		if flip != 0 {
			flipped := []byte(signature)
			flipped[int(at)%len(flipped)] ^= flip
			set(string(flipped))
			if got := v.Verify(a); got == "" || got == ReasonNonce {
				t.Errorf("signature %q verifies for %q: %q", flipped, signature, got)
			}
		}
		set(signature)
		got := v.Verify(a)
		if nonce == "" || reason != "" || len(a.Header.Get("Authorization")) > maxAuthorization {
			if got == "" {
				t.Error("verifies without a nonce, with a bad query, or with a header too long")
			}
			return
		}
		if got != "" {
			t.Errorf("does not verify: %q", got)
		}
		if got := v.Verify(a); got != ReasonNonce {
			t.Errorf("verifies again: %q", got)
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
