package liveperson

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

const apiPath = "/api/contextAndInvite"

// refusedBy asks the double, which has its own code for RFC 5849, whether a request that
// was signed is signed right. An answer other than 401 says so: the body comes after it.
func refusedBy(t *testing.T, api *livedeflecttest.Server, req *http.Request) string {
	t.Helper()
	resp, err := api.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return string(body)
	}
	return ""
}

// What is signed verifies; what would not verify is not sent.
func FuzzSignature(f *testing.F) {
	f.Add("key", "secret", "token", "token secret", "va.ivrdeflect.liveperson.net", "", "{}")
	f.Add("k&=%+ é", "a+b/c=&d", "", "", "EXAMPLE.com:443", "v=2.0&b5=%3D%253D&a3=a&c%40=&a2=r%20b", "x")
	f.Add("k", "s", "t", "t k~%", "localhost:8080", "z=1&oauth=2+3&c2", "")
	f.Add("k", "s", "t", "t", "example.net:80", "a3=a&a3=2+q", "")
	f.Add("k", "s", "t", "t", "[::1]:443", "oauth_nonce=1", "")
	f.Add("k", "s", "t", "t", "[::1]:8080", "a=%zz", "")
	f.Add("k", "s", "t", "t", "exampl]]]e.net:80", "", "")
	f.Fuzz(func(t *testing.T, key, secret, token, tokenSecret, host, query, body string) {
		if key == "" || secret == "" || (token == "") != (tokenSecret == "") || strings.ContainsAny(host, "/?#@\\%") {
			t.Skip()
		}
		u := &url.URL{Scheme: "https", Host: host, Path: apiPath, RawQuery: query}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u.String(), strings.NewReader(body))
		if err != nil || req.URL.Host == "" {
			t.Skip()
		}
		req.Header.Set("Content-Type", "application/json")
		a := OAuth1{ConsumerKey: key, ConsumerSecret: deflect.NewSecret(secret), Token: token, TokenSecret: deflect.NewSecret(tokenSecret)}
		var sent capture
		a.Transport(&sent).RoundTrip(req) //nolint:errcheck // it is captured
		if req.Header.Get("Authorization") != "" {
			t.Error("the caller's request was changed")
		}
		if sent.req == nil {
			return
		}
		api := livedeflecttest.New(livedeflecttest.Config{ConsumerKey: key, ConsumerSecret: secret, Token: token, TokenSecret: tokenSecret})
		if no := refusedBy(t, api, sent.req); no != "" {
			t.Errorf("%s %q: %s", u, body, no)
		}
	})
}

// What the library would sign otherwise than RFC 5849 says is not sent, and its body
// is closed.
func TestSignable(t *testing.T) {
	const path = "https://va.ivrdeflect.liveperson.net" + apiPath
	tests := []struct {
		name, url string
		change    func(*http.Request)
		ok        bool
	}{
		{"plain", path, nil, true},
		{"a query", path + "?v=2.0&b5=%3D%253D&c%40=&a2=r%20b&c2&a3=2+q", nil, true},
		{"upper case", "HTTPS://VA.ivrdeflect.LIVEPERSON.net" + apiPath, nil, true},
		{"the scheme's own port", "https://va.ivrdeflect.liveperson.net:443" + apiPath, nil, true},
		{"another port", "http://127.0.0.1:8080" + apiPath, nil, true},
		{"IPv6", "http://[::1]:8080" + apiPath, nil, true},
		{"a parameter twice", path + "?a3=a&a3=2+q", nil, false},
		{"a parameter of OAuth's", path + "?oauth_token=x", nil, false},
		{"not a query", path + "?a=%zz", nil, false},
		{"no path", "https://va.ivrdeflect.liveperson.net", nil, false},
		{"port 80 with https", "https://va.ivrdeflect.liveperson.net:80" + apiPath, nil, false},
		{"port 443 with http", "http://127.0.0.1:443" + apiPath, nil, false},
		{"the scheme's own port after IPv6", "http://[::1]:80" + apiPath, nil, false},
		{"another host", path, func(r *http.Request) { r.Host = "example.net" }, false},
		{"no method", path, func(r *http.Request) { r.Method = "" }, false},
		{"a form of a charset", path, func(r *http.Request) {
			r.Header.Set("Content-Type", "Application/x-www-form-urlencoded; charset=utf-8")
		}, false},
		{"a form", path, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := &closing{ReadCloser: io.NopCloser(strings.NewReader("a=1"))}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tt.url, body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(req)
			}
			var sent capture
			_, err = OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s")}.Transport(&sent).RoundTrip(req)
			if (sent.req != nil) != tt.ok {
				t.Fatalf("sent: %t, want %t: %v", sent.req != nil, tt.ok, err)
			}
			if !tt.ok {
				if !body.done {
					t.Error("the body was not closed")
				}
				return
			}
			api := livedeflecttest.New(livedeflecttest.Config{ConsumerKey: "k", ConsumerSecret: "s"})
			if no := refusedBy(t, api, sent.req); no != "" {
				t.Error(no)
			}
		})
	}
}

type closing struct {
	io.ReadCloser
	done bool
}

func (c *closing) Close() error { c.done = true; return nil }

func TestSignerShowsNoSecret(t *testing.T) {
	a := OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("appsecret"), Token: "t", TokenSecret: deflect.NewSecret("tokensecret")}
	rt := a.Transport(&capture{})
	for range 2 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.net/", nil)
		rt.RoundTrip(req) //nolint:errcheck // it is captured
		if shown := fmt.Sprintf("%v %+v %#v", rt, rt, rt); strings.Contains(shown, "appsecret") || strings.Contains(shown, "tokensecret") {
			t.Errorf("the signer shows %s", shown)
		}
	}
}
