package liveperson

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

type fixedNonce string

func (n fixedNonce) Nonce() string { return string(n) }

// capture keeps the request that it is given.
type capture struct{ req *http.Request }

func (c *capture) RoundTrip(req *http.Request) (*http.Response, error) {
	c.req = req
	return nil, errors.New("captured")
}

func at(unix int64) { time.Sleep(time.Until(time.Unix(unix, 0))) }

func sign(t *testing.T, a OAuth1, method, url, contentType, body string) string {
	t.Helper()
	var c capture
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if _, err := a.Transport(&c).RoundTrip(req); err == nil || c.req == nil {
		t.Fatalf("the request did not reach the base transport: %v", err)
	}
	if got, _ := io.ReadAll(c.req.Body); string(got) != body {
		t.Errorf("body after signing = %q, want %q", got, body)
	}
	return c.req.Header.Get("Authorization")
}

func TestSignatureVectors(t *testing.T) {
	ours := OAuth1{
		ConsumerKey: "0123456789abcdef0123456789abcdef", ConsumerSecret: deflect.NewSecret("appsecret"),
		Token: "fedcba9876543210fedcba9876543210", TokenSecret: deflect.NewSecret("tokensecret"),
	}
	odd := ours
	odd.ConsumerSecret, odd.TokenSecret = deflect.NewSecret("a+b/c=&d"), deflect.NewSecret("t k~%")
	published := OAuth1{
		ConsumerKey: "xvz1evFS4wEEPTGEFPHBog", ConsumerSecret: deflect.NewSecret("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"),
		Token: "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", TokenSecret: deflect.NewSecret("LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"),
	}
	const json = "application/json"
	tests := []struct {
		name, nonce, url, contentType, body string
		auth                                OAuth1
		unix                                int64
		want                                string // percent-encoded, as in the header
	}{
		{"contextAndInvite", "n0nce0001", "https://va.ivrdeflect.liveperson.net/api/contextAndInvite", json, `{"siteId":"1"}`, ours, 1528932953, "FxLf6Rj4V9%2BTegrcg6fs3XBDapI%3D"},
		{"getLiveDeflectData", "n0nce0002", "https://lo.ivrdeflect.liveperson.net/api/getLiveDeflectData/v2", json, `{}`, ours, 1528932953, "V%2BoqOVc%2BYBHczZgu4mxG2oqk4R4%3D"},
		{"query is signed", "n0nce0003", "https://va.connect-to-messaging.liveperson.net/api/account/38856538/eligibility?v=2.0", json, `{}`, ours, 1528932953, "d0KBUIo5Tm%2FuHsSCIl7iEbUeTBI%3D"},
		{"odd secrets", "n0nce0004", "https://va.ivrdeflect.liveperson.net/api/contextAndInvite", json, `{}`, odd, 1528932953, "2hu6pQ24h%2FS%2FLUgIqtxO1tdLcCk%3D"},
		{"published, its form in the query", "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", "https://api.twitter.com/1.1/statuses/update.json?include_entities=true&status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth%20request%21", json, "", published, 1318622958, "hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at(tt.unix)
				a := tt.auth
				a.nonce = fixedNonce(tt.nonce)
				got := sign(t, a, http.MethodPost, tt.url, tt.contentType, tt.body)
				for _, want := range []string{
					`oauth_signature="` + tt.want + `"`, `oauth_version="1.0"`, `oauth_signature_method="HMAC-SHA1"`,
					`oauth_nonce="` + tt.nonce + `"`, `oauth_consumer_key="` + a.ConsumerKey + `"`,
				} {
					if !strings.Contains(got, want) {
						t.Errorf("Authorization = %s\nlacks %s", got, want)
					}
				}
			})
		})
	}
}

// RFC 5849, 1.2. Its request has no oauth_version, which is always sent, so the vector
// pins the signing of its base string.
func TestSignatureRFC5849(t *testing.T) {
	const base = "GET&http%3A%2F%2Fphotos.example.net%2Fphotos&" +
		"file%3Dvacation.jpg%26oauth_consumer_key%3Ddpf43f3p2l4k3l03%26oauth_nonce%3DchapoH%26" +
		"oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131202%26oauth_token%3Dnnch734d00sl2jdk%26size%3Doriginal"
	got, err := hmacSHA1{deflect.NewSecret("kd94hf93k423kf44"), deflect.NewSecret("pfkkdhi9sl3r4s00")}.Sign("", base)
	if want := "MdpQcU8iPSUjWoN/UDMsK2sui9I="; got != want || err != nil {
		t.Errorf("signature = %q, %v, want %q", got, err, want)
	}
}

func TestNonceIsFresh(t *testing.T) {
	a := OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s"), Token: "t", TokenSecret: deflect.NewSecret("ts")}
	seen := map[string]bool{}
	for range 100 {
		h := sign(t, a, http.MethodPost, "https://example.net/", "application/json", "{}")
		if seen[h] {
			t.Fatal("two requests were signed alike")
		}
		seen[h] = true
	}
}

func TestOAuth1Validate(t *testing.T) {
	valid := OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s"), Token: "t", TokenSecret: deflect.NewSecret("ts")}
	tests := []struct {
		name   string
		change func(*OAuth1)
		want   string
	}{
		{"valid", func(*OAuth1) {}, ""},
		{"two-legged", func(a *OAuth1) { a.Token, a.TokenSecret = "", deflect.NewSecret("") }, ""},
		{"no key", func(a *OAuth1) { a.ConsumerKey = "" }, "consumer key is missing"},
		{"no secret", func(a *OAuth1) { a.ConsumerSecret = deflect.NewSecret("") }, "consumer secret is missing"},
		{"half a token", func(a *OAuth1) { a.TokenSecret = deflect.NewSecret("") }, "token and token secret belong together: one of them is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := valid
			tt.change(&a)
			got := ""
			if err := a.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("Validate() = %q, want %q", got, tt.want)
			}
		})
	}
}
