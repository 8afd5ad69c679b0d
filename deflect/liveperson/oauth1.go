package liveperson

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dghubble/oauth1"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// Authenticator adds credentials to requests. The transport that it returns
// must authenticate each request afresh, hand it to base exactly once, with its
// context or one made from it, and be safe for concurrent use. [OAuth1] and [OAuth2] are
// some; so is any wrapper that sets a bearer token. One that has a method Validate() error is
// asked when a Client is made.
//
// It may send requests of its own before, such as for a token, also through base and
// with the same context: they do not count as the text's. As long as that one was not
// handed to base no text was sent, so a token that cannot be had is [deflect.Failed]:
// [deflect.ReasonUnreachable], and tried again, when the network failed, [deflect.ReasonDeadline] when
// there was no time left, else [deflect.ReasonUnauthorized], which OAuth2 keeps to. It has to be an error, not the answer of
// whoever has the tokens. Ask for it before you read the text's body: what is sent
// afterwards may hold it, and counts as possibly sent.
type Authenticator interface {
	Transport(base http.RoundTripper) http.RoundTripper
}

// OAuth1 signs requests with OAuth 1.0 and HMAC-SHA1 (RFC 5849), the scheme of
// LivePerson's API keys: app key, secret, access token, access token secret.
// Every request gets a nonce of 130 random bits and the time of its attempt.
// Token and TokenSecret may both be empty, for two-legged keys.
type OAuth1 struct {
	ConsumerKey    string
	ConsumerSecret deflect.Secret
	Token          string
	TokenSecret    deflect.Secret

	nonce oauth1.Noncer // tests fix it
}

// Validate reports missing keys.
func (a OAuth1) Validate() error {
	var errs []error
	if a.ConsumerKey == "" {
		errs = append(errs, errors.New("consumer key is missing"))
	}
	if a.ConsumerSecret == (deflect.Secret{}) {
		errs = append(errs, errors.New("consumer secret is missing"))
	}
	if (a.Token == "") != (a.TokenSecret == deflect.Secret{}) {
		errs = append(errs, errors.New("token and token secret belong together: one of them is missing"))
	}
	return errors.Join(errs...)
}

// Transport implements [Authenticator]. Requests that github.com/dghubble/oauth1 would sign
// otherwise than RFC 5849 says are refused: a parameter that comes twice, port 80 with https.
func (a OAuth1) Transport(base http.RoundTripper) http.RoundTripper {
	if a.nonce == nil {
		a.nonce = freshNonce{}
	}
	cfg := &oauth1.Config{ConsumerKey: a.ConsumerKey, Signer: hmacSHA1{a.ConsumerSecret, a.TokenSecret}, Noncer: a.nonce}
	t := cfg.Client(oauth1.NoContext, oauth1.NewToken(a.Token, "")).Transport.(*oauth1.Transport)
	t.Base = base
	return signer{t}
}

// freshNonce makes nonces of 130 random bits. Those of the library are longer, and what is
// signed is encoded several times.
type freshNonce struct{}

func (freshNonce) Nonce() string { return rand.Text() }

// hmacSHA1 keeps the secrets opaque between signatures, as the library would not.
type hmacSHA1 struct{ consumer, token deflect.Secret }

func (hmacSHA1) Name() string { return "HMAC-SHA1" }

func (s hmacSHA1) Sign(_, message string) (string, error) {
	lib := oauth1.HMACSigner{ConsumerSecret: s.consumer.Reveal()}
	return lib.Sign(s.token.Reveal(), message)
}

// signer signs requests that can be signed.
type signer struct{ lib *oauth1.Transport }

func (s signer) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := signable(req); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	return s.lib.RoundTrip(req)
}

// signable returns what the library does not sign as RFC 5849 says (3.4.1).
func signable(req *http.Request) error {
	u := req.URL
	if u.RawQuery != "" {
		values, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			return errors.New("the query cannot be decoded")
		}
		for name, list := range values {
			if len(list) > 1 || strings.HasPrefix(name, "oauth_") {
				return errors.New("the query has a parameter twice, or one of OAuth's own")
			}
		}
	}
	switch {
	case req.Method == "":
		return errors.New("the request has no method")
	case u.Path == "" || u.Opaque != "":
		return errors.New("the URL has no path")
	case !wire.SignablePort(u):
		return errors.New("the URL has the port of the other scheme, or writes out that of its own")
	case req.Host != "" && req.Host != u.Host:
		return errors.New("the request names another host than its URL")
	case strings.HasPrefix(strings.ToLower(req.Header.Get("Content-Type")), "application/x-www-form-urlencoded"):
		return errors.New("the fields of a form are not signed here")
	}
	return nil
}
