package liveperson

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// OAuth2 sends a token with each request, which it gets from LivePerson's service sentinel
// for the client id and secret of an app: OAuth 2.0 client credentials (RFC 6749, 4.4; RFC
// 6750), LivePerson's AppJWT. Use a pointer, and do not change what it points to: all that
// have the same one share its token. It is safe for concurrent use.
//
// A token is fetched when it is first needed, by one goroutine for all who wait, each as long
// as its context allows. It is fetched anew a minute before its end, while requests go on with
// the old one, and when it is refused (401), which an API of this package's neighbours answers
// by sending the request once more. When it cannot be had the next try is a second later, at
// most a minute after several, and requests until then fail at once: all of them are
// [deflect.ReasonUnauthorized], and sent nothing. Without requests there are no tokens and no
// goroutines.
type OAuth2 struct {
	Account      string // LivePerson account id
	ClientID     string
	ClientSecret deflect.Secret
	// URL is that of sentinel, https, or http to a loopback address, such as
	// https://va.sentinel.liveperson.net. When it is empty Domains is asked.
	URL     string
	Domains *Domains

	tokens source[deflect.Secret] // as they are in a header
	meter
}

// Where tokens are, and how long they live unless the answer says: LivePerson's page on
// client credentials. Its own client renews them a minute before their end.
const (
	tokenPath  = "/sentinel/api/v2/account/%s/app/token"
	tokenLife  = time.Hour
	tokenEarly = time.Minute
	// What an answer says is believed between these: a 401 tells if it was wrong.
	leastTokenLife, mostTokenLife = 10 * time.Second, 24 * time.Hour
	// A new token that nobody has accepted yet is not the fault when it is refused.
	newToken = 10 * time.Second
)

// callToken is the name of its requests for [deflect.Meter].
const callToken = "token"

// Calls names its requests, as [deflect.Meter] has it: "token", and those of Domains if that
// is asked.
func (a *OAuth2) Calls() []string {
	if a.asksDomains() {
		return append([]string{callToken}, a.Domains.Calls()...)
	}
	return []string{callToken}
}

// OnRequest sets who hears of each request with what it ended with, in place of who did
// before, as [deflect.Meter] has it.
func (a *OAuth2) OnRequest(f func(call string, r deflect.Reason)) {
	a.meter.OnRequest(f)
	if a.asksDomains() {
		a.Domains.OnRequest(f)
	}
}

func (a *OAuth2) asksDomains() bool { return a.URL == "" && a.Domains != nil }

// Validate reports missing credentials, and a URL that cannot be one.
func (a *OAuth2) Validate() error {
	if a == nil {
		return errors.New("client credentials are missing")
	}
	var errs []error
	bad := func(text string) { errs = append(errs, errors.New(text)) }
	switch {
	case a.Account == "":
		bad("account is missing")
	case !wire.IsAccount(a.Account):
		bad("account is not an account id (letters and digits)")
	}
	if a.ClientID == "" {
		bad("client id is missing")
	}
	if a.ClientSecret == (deflect.Secret{}) {
		bad("client secret is missing")
	}
	if a.URL == "" && a.Domains == nil {
		bad("the URL of sentinel is missing")
	} else if _, err := wire.Root(a.URL); a.URL != "" && err != nil {
		bad("the URL of sentinel " + err.Error())
	}
	return errors.Join(errs...)
}

// Format implements [fmt.Formatter]: the secret does not show, nor the token.
func (a *OAuth2) Format(f fmt.State, verb rune) {
	type shown struct {
		Account, ClientID string
		ClientSecret      deflect.Secret
		URL               string
	}
	if a == nil {
		a = &OAuth2{}
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), shown{a.Account, a.ClientID, a.ClientSecret, a.URL})
}

// Kept returns what a Client that goes on with next in place of old should use: old when its
// credentials are the same, so that its token stays.
func Kept(old, next Authenticator) Authenticator {
	was, _ := old.(*OAuth2)
	is, _ := next.(*OAuth2)
	if was == nil || is == nil || was.Account != is.Account || was.ClientID != is.ClientID || was.ClientSecret != is.ClientSecret ||
		was.URL != is.URL || !was.Domains.same(is.Domains) {
		return next
	}
	return old
}

// Transport implements [Authenticator]. Tokens are fetched through the transports that it is
// given.
func (a *OAuth2) Transport(base http.RoundTripper) http.RoundTripper {
	return &bearer{auth: a, base: base}
}

// bearer sends requests of one Client with the token. What its API refuses may be good for
// another one.
type bearer struct {
	auth              *OAuth2
	base              http.RoundTripper
	refused, accepted atomic.Pointer[held[deflect.Secret]] // the last token that was
}

// Check gets a token through base, if there is none, or says why there is none to be had. It
// asks for nothing else.
func (a *OAuth2) Check(ctx context.Context, base http.RoundTripper) error {
	_, err := (&bearer{auth: a, base: base}).token(ctx)
	return err
}

// token returns one that may be used, and for which there is time.
func (b *bearer) token(ctx context.Context) (*held[deflect.Secret], error) {
	late := wire.Late(ctx)
	token, waited, err := b.auth.tokens.get(ctx, b.refused.Load(), b.fetch)
	switch {
	case late && waited && (err == nil || err == errSlow):
		return nil, cutoff.ErrNoTime // others took it
	case err == errSlow:
		return nil, errors.New("no token, and nothing was sent: sentinel has not answered in time; look at what is on the way to it")
	case err == nil && waited && wire.Late(ctx):
		return nil, errors.New("no token in time, and nothing was sent: sentinel answers too slowly; look at what is on the way to it")
	}
	return token, err
}

// RoundTrip implements [http.RoundTripper].
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	token, err := b.token(ctx)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, &wire.NoCredentials{Err: err}
	}
	ours := req.Clone(ctx)
	ours.Header.Set("Authorization", token.value.Reveal())
	resp, err := b.base.RoundTrip(ours)
	switch {
	case err != nil:
	case resp.StatusCode != http.StatusUnauthorized:
		b.accepted.Store(token)
	case b.accepted.Load() == token || token.age() >= newToken:
		b.refused.Store(token)
		wire.Renewable(ctx)
	}
	return resp, err
}

// fetch asks sentinel for a token.
func (b *bearer) fetch(ctx context.Context) (token *held[deflect.Secret], err error) {
	reason := deflect.ReasonInternal
	defer func() { b.auth.count(callToken, reason) }()
	id := requestID()
	fail := func(r deflect.Reason, err error) (*held[deflect.Secret], error) {
		reason = r
		return nil, fmt.Errorf("no token, and nothing was sent: %w", err)
	}
	root, err := b.auth.root(ctx)
	if err != nil {
		return fail(deflect.ReasonUnreachable, err)
	}
	form := url.Values{
		"client_id": {b.auth.ClientID}, "client_secret": {b.auth.ClientSecret.Reveal()}, "grant_type": {"client_credentials"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, root+fmt.Sprintf(tokenPath, b.auth.Account), strings.NewReader(form.Encode()))
	if err != nil {
		return fail(deflect.ReasonInternal, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Request-Id", id)
	asked := time.Now()
	status, body, err := exchange(b.base, req)
	if r, why := unanswered(ctx, "sentinel", err); r != "" {
		return fail(r, why)
	}
	t, life, r, err := readToken(status, body, err, b.auth.ClientSecret.Reveal())
	if err != nil {
		return fail(r, fmt.Errorf("%w (X-Request-Id %s)", err, id))
	}
	reason = deflect.ReasonOK
	return hold(deflect.NewSecret("Bearer "+t), asked, life-min(tokenEarly, life/2), life), nil
}

func (a *OAuth2) root(ctx context.Context) (string, error) {
	if a.asksDomains() {
		return a.Domains.Root(ctx, serviceSentinel)
	}
	return wire.Root(a.URL)
}

// requestID returns a UUID of version 4.
func requestID() string {
	var id [16]byte
	rand.Read(id[:]) //nolint:errcheck // it never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
