package deflect

import (
	"context"
	"errors"
	"net/http"

	"github.com/dghubble/oauth1"
)

// Authenticator adds credentials to requests. The transport that it returns
// must authenticate each request afresh, hand it to base exactly once, and be
// safe for concurrent use. [OAuth1] is one; so is any wrapper that sets a bearer
// token. One that has a method Validate() error is asked by [Config.Validate].
type Authenticator interface {
	Transport(base http.RoundTripper) http.RoundTripper
}

// OAuth1 signs requests with OAuth 1.0 and HMAC-SHA1 (RFC 5849), the scheme of
// LivePerson's API keys: app key, secret, access token, access token secret.
// Every request gets a nonce of 32 random bytes and the time of its attempt.
// Token and TokenSecret may both be empty, for two-legged keys.
type OAuth1 struct {
	ConsumerKey    string
	ConsumerSecret Secret
	Token          string
	TokenSecret    Secret

	nonce oauth1.Noncer // tests fix it
}

// Validate reports missing keys.
func (a OAuth1) Validate() error {
	var errs []error
	if a.ConsumerKey == "" {
		errs = append(errs, errors.New("consumer key is missing"))
	}
	if a.ConsumerSecret == "" {
		errs = append(errs, errors.New("consumer secret is missing"))
	}
	if (a.Token == "") != (a.TokenSecret == "") {
		errs = append(errs, errors.New("token and token secret belong together: one of them is missing"))
	}
	return errors.Join(errs...)
}

// Transport implements [Authenticator].
func (a OAuth1) Transport(base http.RoundTripper) http.RoundTripper {
	nonce := a.nonce
	if nonce == nil {
		nonce = oauth1.HexNoncer{}
	}
	// The library writes to the Config that it is given, so this one is private.
	cfg := &oauth1.Config{
		ConsumerKey:    a.ConsumerKey,
		ConsumerSecret: a.ConsumerSecret.Reveal(),
		Noncer:         nonce,
	}
	ctx := context.WithValue(context.Background(), oauth1.HTTPClient, &http.Client{Transport: base})
	return cfg.Client(ctx, oauth1.NewToken(a.Token, a.TokenSecret.Reveal())).Transport
}
