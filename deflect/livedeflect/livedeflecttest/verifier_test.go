package livedeflecttest

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

func TestVerifierRefuses(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	valid := func(changes map[string]string) string {
		oauth := oauthParams(cfg, "n")
		maps.Copy(oauth, changes)
		maps.DeleteFunc(oauth, func(_, v string) bool { return v == "absent" })
		return authorize(cfg, http.MethodPost, testURL, oauth)
	}
	without := func(name string) string { return valid(map[string]string{name: "absent"}) }

	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		want   string
	}{
		{"no header", func(r *http.Request) { r.Header.Del("Authorization") }, "No Authorization Header"},
		{"empty header", func(r *http.Request) { r.Header.Set("Authorization", " ") }, "No Authorization Header"},
		{"two headers", func(r *http.Request) { r.Header.Add("Authorization", valid(nil)) }, "Invalid Authorization Header - there are several"},
		{"other scheme", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, "Invalid Authorization Header - its scheme is not OAuth"},
		{"no key", func(r *http.Request) { r.Header.Set("Authorization", without("oauth_consumer_key")) }, "Missing Parameter - oauth_consumer_key"},
		{"no method", func(r *http.Request) { r.Header.Set("Authorization", without("oauth_signature_method")) }, "Missing Parameter - oauth_signature_method"},
		{"no timestamp", func(r *http.Request) { r.Header.Set("Authorization", without("oauth_timestamp")) }, "Missing Parameter - oauth_timestamp"},
		{"no nonce", func(r *http.Request) { r.Header.Set("Authorization", without("oauth_nonce")) }, "Missing Parameter - oauth_nonce"},
		{"no signature", func(r *http.Request) {
			r.Header.Set("Authorization", double.AuthorizationHeader(oauthParams(cfg, "n")))
		}, "Missing Parameter - oauth_signature"},
		{"no token", func(r *http.Request) { r.Header.Set("Authorization", without("oauth_token")) }, "Unknown oauth_token"},
		{"other method", func(r *http.Request) {
			r.Header.Set("Authorization", valid(map[string]string{"oauth_signature_method": "PLAINTEXT"}))
		}, "Unsupported oauth_signature_method - only HMAC-SHA1"},
		{"other version", func(r *http.Request) {
			r.Header.Set("Authorization", valid(map[string]string{"oauth_version": "2.0"}))
		}, "Unsupported oauth_version - only 1.0"},
		{"empty version", func(r *http.Request) {
			r.Header.Set("Authorization", valid(map[string]string{"oauth_version": ""}))
		}, "Unsupported oauth_version - only 1.0"},
		{"other key", func(r *http.Request) {
			r.Header.Set("Authorization", valid(map[string]string{"oauth_consumer_key": "x"}))
		}, "Unknown oauth_consumer_key"},
		{"other token", func(r *http.Request) {
			r.Header.Set("Authorization", valid(map[string]string{"oauth_token": "x"}))
		}, "Unknown oauth_token"},
		{"timestamp zero", func(r *http.Request) {
			r.Header.Set("Authorization", valid(map[string]string{"oauth_timestamp": "0"}))
		}, "Invalid oauth_timestamp - not a positive number of seconds"},
		{"timestamp with sign", func(r *http.Request) {
			r.Header.Set("Authorization", valid(map[string]string{"oauth_timestamp": "+5"}))
		}, "Invalid oauth_timestamp - not a positive number of seconds"},
		{"timestamp too long", func(r *http.Request) {
			r.Header.Set("Authorization", valid(map[string]string{"oauth_timestamp": strings.Repeat("9", 30)}))
		}, "Invalid oauth_timestamp - not a positive number of seconds"},
		{"signed for another path", func(r *http.Request) {
			r.Header.Set("Authorization", authorize(cfg, http.MethodPost, testURL+"/", oauthParams(cfg, "n")))
		}, "Invalid oauth_signature"},
		{"signed for another method", func(r *http.Request) {
			r.Header.Set("Authorization", authorize(cfg, http.MethodPut, testURL, oauthParams(cfg, "n")))
		}, "Invalid oauth_signature"},
		{"signed for another host", func(r *http.Request) { r.Host = "lo.ivrdeflect.liveperson.net" }, "Invalid oauth_signature"},
		{"signed for another scheme", func(r *http.Request) { r.URL.Scheme = "http" }, "Invalid oauth_signature"},
		{"query not signed", func(r *http.Request) { r.URL.RawQuery = "v=2.0" }, "Invalid oauth_signature"},
		{"query not decodable", func(r *http.Request) { r.URL.RawQuery = "v=%zz" }, "Invalid Query - cannot be decoded"},
		{"query name not decodable", func(r *http.Request) { r.URL.RawQuery = "%zz=v" }, "Invalid Query - cannot be decoded"},
		{"oauth in the query", func(r *http.Request) { r.URL.RawQuery = "oauth_nonce=x" }, "Invalid Parameter - oauth parameters belong in the Authorization header"},
		{"form not decodable", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}, "Invalid Form - cannot be decoded"},
		{"wrong secret", func(r *http.Request) {
			other := cfg
			other.ConsumerSecret = "x"
			r.Header.Set("Authorization", authorize(other, http.MethodPost, testURL, oauthParams(cfg, "n")))
		}, "Invalid oauth_signature"},
		{"wrong token secret", func(r *http.Request) {
			other := cfg
			other.TokenSecret = "x"
			r.Header.Set("Authorization", authorize(other, http.MethodPost, testURL, oauthParams(cfg, "n")))
		}, "Invalid oauth_signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(cfg)
			req := request(t, t.Context(), s, `{"%zz":0}`)
			tt.change(req)
			wantRefusal(t, send(inMemory(s), req), http.StatusUnauthorized, tt.want)
			if got := s.Requests(); len(got) != 1 || got[0].Reason != tt.want || got[0].Status != 401 || got[0].Processed {
				t.Errorf("got %+v, want one request refused with 401 %q", got, tt.want)
			}
			if len(s.Sent()) != 0 {
				t.Errorf("got %v, want nothing sent", s.Sent())
			}
		})
	}
}

func TestVerifierAccepts(t *testing.T) {
	t.Parallel()
	twoLegged := testConfig()
	twoLegged.Token, twoLegged.TokenSecret = "", ""
	odd := testConfig()
	odd.ConsumerKey, odd.ConsumerSecret, odd.Token, odd.TokenSecret = "k &+", "a+b/c=&d", "t%", "t k~%"

	for _, tt := range []struct {
		name   string
		cfg    Config
		url    string
		change func(oauth map[string]string)
	}{
		{"version", testConfig(), testURL, func(map[string]string) {}},
		{"no version", testConfig(), testURL, func(o map[string]string) { delete(o, "oauth_version") }},
		{"two-legged, empty token", twoLegged, testURL, func(map[string]string) {}},
		{"two-legged, no token", twoLegged, testURL, func(o map[string]string) { delete(o, "oauth_token") }},
		{"parameter of its own", testConfig(), testURL, func(o map[string]string) { o["x"] = "a b" }},
		{"query", testConfig(), testURL + "?b=%20&a=1&a=0&c", func(map[string]string) {}},
		{"everything needs encoding", odd, testURL, func(o map[string]string) { o["oauth_nonce"] = "é/+ " }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(tt.cfg)
			oauth := oauthParams(tt.cfg, "n")
			tt.change(oauth)
			req := request(t, t.Context(), s, testBody(t, nil))
			var err error
			if req.URL, err = req.URL.Parse(tt.url); err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", authorize(tt.cfg, http.MethodPost, tt.url, oauth))
			wantSent(t, send(inMemory(s), req), 473513)
		})
	}
}

// A form body is signed, although the call then refuses it.
func TestVerifierSignsForm(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	s := New(cfg)
	req := request(t, t.Context(), s, "a=b+c")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// What a form signs is what a query of the same text signs.
	req.Header.Set("Authorization", authorize(cfg, http.MethodPost, testURL+"?a=b+c", oauthParams(cfg, "n")))
	wantRefusal(t, send(inMemory(s), req), http.StatusBadRequest,
		"Content-Type must be application/json; the body is not JSON")
}

func TestWithoutConsumerKeyNothingVerifies(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	oauth := oauthParams(s.cfg, "n")
	oauth["oauth_consumer_key"] = "x"
	req := request(t, t.Context(), s, testBody(t, nil))
	req.Header.Set("Authorization", authorize(s.cfg, http.MethodPost, testURL, oauth))
	wantRefusal(t, send(inMemory(s), req), http.StatusUnauthorized, "Unknown oauth_consumer_key")
}

// Tokens are good beside signatures, where somebody says which.
func TestBearer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		known, header, want string
	}{
		{"abc", "Bearer abc", ""},
		{"abc", "bearer abc", ""},
		{"abc", "Bearer abd", "Invalid Bearer token"},
		{"abc", "Bearer", "Invalid Bearer token"},
		{"abc", "Basic abc", "Invalid Authorization Header - its scheme is not OAuth"},
		{"", "Bearer abc", "Invalid Authorization Header - its scheme is not OAuth"},
	} {
		cfg := testConfig()
		if tt.known != "" {
			cfg.Bearer = func(token string) bool { return token == tt.known }
		}
		s := New(cfg)
		req := request(t, t.Context(), s, testBody(t, nil))
		req.Header.Set("Authorization", tt.header)
		if got := send(inMemory(s), req); tt.want == "" {
			wantSent(t, got, 473513)
		} else {
			wantRefusal(t, got, http.StatusUnauthorized, tt.want)
		}
		if tt.known != "" {
			next := 473513 + len(s.Sent())
			wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, nil))), next)
		}
	}
}

func TestNonceIsBurnedByTheSignatureAlone(t *testing.T) {
	t.Parallel()
	const used = "Invalid Nonce - Nonce has been previously used"
	cfg := testConfig()
	s := New(cfg)
	post := func(secret, timestamp, body string) result {
		signer := cfg
		signer.ConsumerSecret = secret
		oauth := oauthParams(cfg, "once")
		oauth["oauth_timestamp"] = timestamp
		req := request(t, t.Context(), s, body)
		req.Header.Set("Authorization", authorize(signer, http.MethodPost, testURL, oauth))
		return send(inMemory(s), req)
	}
	wantRefusal(t, post("wrong", "1", testBody(t, nil)), 401, "Invalid oauth_signature")
	wantRefusal(t, post(cfg.ConsumerSecret, "1", "{"), 400, "the body is not JSON")
	wantRefusal(t, post(cfg.ConsumerSecret, "1", testBody(t, nil)), 401, used)
	wantRefusal(t, post(cfg.ConsumerSecret, "2", testBody(t, nil)), 401, used)
	if len(s.Sent()) != 0 {
		t.Errorf("got %v, want nothing sent", s.Sent())
	}
}
