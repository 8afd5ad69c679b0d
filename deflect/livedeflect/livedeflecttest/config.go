package livedeflecttest

import (
	"fmt"
	"log/slog"
	"net/url"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// Config says what a Server accepts and how it answers. The zero value of each
// field is its documented default.
type Config struct {
	// SiteID is the only account that is accepted. Empty: any.
	SiteID string

	// ConsumerKey and ConsumerSecret are the app key and its secret. Without a
	// ConsumerKey every signature is refused.
	ConsumerKey, ConsumerSecret string

	// Token and TokenSecret are the access token and its secret. Both are empty
	// for a two-legged key: oauth_token must then be absent or empty.
	Token, TokenSecret string

	// Bearer says whether a bearer token of OAuth 2.0 is good, beside signatures. It is
	// called from several goroutines at once. Nil: none is.
	Bearer func(token string) bool

	// TimeUnit is what deflectionAcceptTime and callBeginTime are counted in.
	TimeUnit TimeUnit

	// BaseURL is where the API is for users of RoundTrip, for example
	// "https://lo.ivrdeflect.liveperson.net". If it is set, RoundTrip knows no
	// other host: a request that goes elsewhere fails like a name that does not
	// exist. If it has a path, the API is below that path, also over a socket.
	// Empty: URL gives "https://va.ivrdeflect.liveperson.net" and RoundTrip
	// answers for every host.
	BaseURL string

	// FirstCallID is the callId of the first text; each next one is greater by
	// one. A report of Report.Big starts with it too. Default: 473513.
	FirstCallID int64

	// KeepLast is how many requests and how many texts are remembered for
	// Requests, Sent and reports; the oldest go first. Default: 100,000.
	KeepLast int

	// FaultFor chooses the fault of a request to contextAndInvite by what it asks
	// for, as far as that can be read; without one that strikes, the request meets
	// those of Inject and SetFault. The zero Fault lets it through unharmed. So
	// tests that run side by side, each with calls of its own, can share a Server.
	// It is called from several goroutines at once. Nil: none.
	FaultFor func(Deflection) (f Fault, strikes bool)

	// Report says how reports answer. SetReport replaces it.
	Report Report

	// Logger gets one line for each request, without numbers of people. Nil: no
	// log.
	Logger *slog.Logger
}

// TimeUnit is a unit of the times in a request. The vendor's table says
// seconds, the vendor's example shows milliseconds.
type TimeUnit int

const (
	Milliseconds TimeUnit = iota // 12 or 13 digits
	Seconds                      // 9 or 10 digits
	Any                          // either, but the same for both times
)

const (
	defaultBaseURL     = "https://va.ivrdeflect.liveperson.net"
	defaultFirstCallID = 473513
	defaultKeepLast    = 100_000
)

// withDefaults fills what was left empty and gives the parsed BaseURL.
func (c Config) withDefaults() (Config, *url.URL, error) {
	if c.BaseURL == "" {
		c.BaseURL = defaultBaseURL
	}
	if c.FirstCallID == 0 {
		c.FirstCallID = defaultFirstCallID
	}
	if c.KeepLast == 0 {
		c.KeepLast = defaultKeepLast
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.FirstCallID < 0:
		return c, nil, fmt.Errorf("Config.FirstCallID is negative")
	case c.KeepLast < 0:
		return c, nil, fmt.Errorf("Config.KeepLast is negative")
	case c.TimeUnit < Milliseconds || c.TimeUnit > Any:
		return c, nil, fmt.Errorf("Config.TimeUnit %d is unknown", c.TimeUnit)
	}
	if err := c.Report.validate(); err != nil {
		return c, nil, fmt.Errorf("Config.%w", err)
	}
	base, err := double.ParseBase(c.BaseURL)
	return c, base, err
}
