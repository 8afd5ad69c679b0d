package deflect

import (
	"errors"
	"net/http"
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

	nonce interface{ Nonce() string } // tests fix it
}

// Validate reports missing keys.
func (a OAuth1) Validate() error {
	var errs []error
	if a.ConsumerKey == "" {
		errs = append(errs, errors.New("consumer key is missing"))
	}
	if a.ConsumerSecret == (Secret{}) {
		errs = append(errs, errors.New("consumer secret is missing"))
	}
	if (a.Token == "") != (a.TokenSecret == Secret{}) {
		errs = append(errs, errors.New("token and token secret belong together: one of them is missing"))
	}
	return errors.Join(errs...)
}

// Transport implements [Authenticator]. It signs what this package sends: the fields of a
// form in the body would have to be signed too, and are not.
func (a OAuth1) Transport(base http.RoundTripper) http.RoundTripper {
	return newSigner(a, base)
}
