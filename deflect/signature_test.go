package deflect

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/dghubble/oauth1"
)

// Another implementation signs the same requests with the same header. Queries with a
// name that comes twice, and ports that are not the scheme's own, it signs otherwise
// than RFC 5849 says.
func FuzzSignature(f *testing.F) {
	f.Add("key", "secret", "token", "token secret", "va.ivrdeflect.liveperson.net", "/api/contextAndInvite", "", "{}")
	f.Add("k&=%+ é", "a+b/c=&d", "", "", "EXAMPLE.com:443", "/r v/%41", "v=2.0&b5=%3D%253D&a3=a&c%40=&a2=r%20b", "x")
	f.Add("k", "s", "t", "t k~%", "localhost:8080", "/a", "z=1&oauth=2+3", "")
	f.Fuzz(func(t *testing.T, key, secret, token, tokenSecret, host, path, query, body string) {
		u := &url.URL{Scheme: "https", Host: host, Path: "/" + path, RawQuery: query}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u.String(), strings.NewReader(body))
		if err != nil || req.URL.RawQuery != query || strings.HasSuffix(host, ":80") || strings.HasSuffix(host, ":") || strings.Count(host, ":") > 1 {
			t.Skip()
		}
		req.Header.Set("Content-Type", "application/json")
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		for name, list := range values {
			if len(list) > 1 || strings.HasPrefix(name, "oauth_") {
				t.Skip()
			}
		}
		synctest.Test(t, func(t *testing.T) {
			at(1528932953)
			a := OAuth1{ConsumerKey: key, ConsumerSecret: NewSecret(secret), Token: token, TokenSecret: NewSecret(tokenSecret), nonce: fixedNonce("n0 nce")}
			var ours, theirs capture
			a.Transport(&ours).RoundTrip(req) //nolint:errcheck // it is captured
			req.Body = io.NopCloser(strings.NewReader(body))
			cfg := &oauth1.Config{ConsumerKey: key, ConsumerSecret: secret, Noncer: a.nonce}
			client := cfg.Client(t.Context(), oauth1.NewToken(token, tokenSecret))
			client.Transport.(*oauth1.Transport).Base = &theirs
			client.Transport.RoundTrip(req) //nolint:errcheck // it is captured
			got, want := ours.req.Header.Get("Authorization"), theirs.req.Header.Get("Authorization")
			if got != want {
				t.Errorf("%s %q\n got %s\nwant %s", u, body, got, want)
			}
			if req.Header.Get("Authorization") != "" {
				t.Error("the caller's request was changed")
			}
		})
	})
}

// RFC 5849, 3.4.1.1: a name that comes twice. The fields of its form are in the query
// here.
func TestBaseStringRFC5849(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), "post", "http://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b&c2&a3=2+q", nil)
	if err != nil {
		t.Fatal(err)
	}
	params, err := queryParameters(req.URL.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	params = append(params, []parameter{
		{"oauth_consumer_key", "9djdj82h48djs9d2"}, {"oauth_token", "kkk9d7dh3k39sjv7"}, {"oauth_signature_method", "HMAC-SHA1"},
		{"oauth_timestamp", "137131201"}, {"oauth_nonce", "7d8f3e4a"},
	}...)
	sortParameters(params)
	const want = "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26" +
		"oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26" +
		"oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
	if got := string(appendBaseString(nil, req, params)); got != want {
		t.Errorf("base string = %s\nwant %s", got, want)
	}
}

// RFC 5849, 3.4.1.2.
func TestBaseURI(t *testing.T) {
	tests := map[string]string{
		"http://EXAMPLE.COM:80/r%20v/X?id=123": "http://example.com/r%20v/X",
		"https://www.example.net:8080/?q=1":    "https://www.example.net:8080/",
		"https://example.net":                  "https://example.net/", // what is sent has a path
		"https://example.net:80/":              "https://example.net:80/",
		"http://[::1]:80/a":                    "http://[::1]/a",
		"http://[::1]:443/a":                   "http://[::1]:443/a",
	}
	for in, want := range tests {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendBaseURI(nil, req)); got != percentEncode(want) {
			t.Errorf("base URI of %s = %s, want %s, encoded", in, got, want)
		}
	}
}

// What cannot be signed is not sent, and its body is closed.
func TestNotSigned(t *testing.T) {
	var c capture
	body := &closing{ReadCloser: io.NopCloser(strings.NewReader("{}"))}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.net/?a=%zz", body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (OAuth1{ConsumerKey: "k", ConsumerSecret: NewSecret("s")}).Transport(&c).RoundTrip(req); err == nil || c.req != nil || !body.done {
		t.Errorf("error %v, sent %t, closed %t", err, c.req != nil, body.done)
	}
}

type closing struct {
	io.ReadCloser
	done bool
}

func (c *closing) Close() error { c.done = true; return nil }

func TestSignerShowsNoSecret(t *testing.T) {
	a := OAuth1{ConsumerKey: "k", ConsumerSecret: NewSecret("appsecret"), Token: "t", TokenSecret: NewSecret("tokensecret")}
	rt := a.Transport(&capture{})
	for range 2 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.net/", nil)
		rt.RoundTrip(req) //nolint:errcheck // it is captured
		if shown := fmt.Sprintf("%v %+v %#v", rt, rt, rt); strings.Contains(shown, "secret&") || strings.Contains(shown, "tokensecret") {
			t.Errorf("the signer shows %s", shown)
		}
	}
}
