package c2m

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// Channel is how a text reaches a consumer, by the name that the API has for it.
type Channel string

// The channels. In-App stands alone: a handoff that has it has no other.
const (
	SMS      Channel = "sms"
	WhatsApp Channel = "wa"
	InApp    Channel = "inapp"
)

// service is the name that the Domain API has for this API.
const service = "connectToMessagingDomain"

// Config says how to reach Connect to Messaging. Account, Auth and one of BaseURL and
// Domains are required; the zero value of everything else is the default that its comment
// names.
type Config struct {
	Account string // LivePerson account id

	// HandoffID is the handoff of calls that name none ([deflect.Call].HandoffID): its
	// texts, channels and skills; at most 16 characters. A call without one is invalid.
	HandoffID string
	// Auth has the credentials of the requests; see [liveperson.OAuth2] and
	// [liveperson.OAuth1].
	Auth liveperson.Authenticator

	// BaseURL is where the API is: https, or http to a loopback address.
	BaseURL string
	// Domains tells where the API is when there is no BaseURL. Until it has told, nothing is
	// sent: [deflect.ReasonUnreachable].
	Domains *liveperson.Domains

	// ReportingURL is where the report is: https, or http to a loopback address. Empty: the
	// host cx-reporting beside that of the API, where that is LivePerson's.
	ReportingURL string

	// TicketAge is for how long an answer that a caller can be texted is used; then the API
	// is asked again before the text. The vendor names no limit. Up to an hour; 10 min.
	TicketAge time.Duration
	// Channels are those that may be used, the preferred one first. A caller who can be
	// reached by none of them is offered no text. Empty: the handoff decides.
	Channels []Channel
	// IVRNumber is the number of the brand that texts come from, where it has several;
	// empty: the handoff decides.
	IVRNumber string

	// RatePerSecond is how many requests are made in a second, over both calls; 30, the
	// vendor's limit. Beyond it no caller is offered a text, and one that was asked for
	// waits for its turn as long as its deadline lets it.
	RatePerSecond int
	// Rate keeps that limit for several processes; nil keeps it for this Client alone.
	Rate Rate

	// Transport replaces the HTTP transport, for tests and for embedders who bring their
	// own; nil is [liveperson.NewTransport], made anew every few minutes and when a
	// connection fell silent. It must deliver a request at most once, and not return while
	// it may still send; what is said of livedeflect's holds for this one.
	Transport http.RoundTripper
	// Logger gets a warning for each name of caller info that cannot be handed on, and debug
	// lines per request for the report; nil discards.
	Logger *slog.Logger
}

// DefaultConfig returns a Config with every default filled in and nothing else.
func DefaultConfig() Config { return Config{}.withDefaults() }

func (c Config) withDefaults() Config {
	if c.TicketAge == 0 {
		c.TicketAge = 10 * time.Minute
	}
	if c.RatePerSecond == 0 {
		c.RatePerSecond = 30
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Channels = slices.Clone(c.Channels)
	return c
}

// The vendor's limits.
const (
	maxHandoff = 16
	maxNumber  = 15
	maxMessage = 1600
)

var ivrNumberForm = regexp.MustCompile(`^\+?[0-9]{1,15}$`)

// Validate returns every problem of the configuration, each a [*deflect.ConfigError],
// joined; nil when there is none.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &deflect.ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
	}
	switch {
	case c.Account == "":
		bad("Account", "is missing: the LivePerson account id")
	case !wire.IsAccount(c.Account):
		bad("Account", "is not an account id (letters and digits)")
	}
	if !clean.Printable(c.HandoffID, "") || utf8.RuneCountInString(c.HandoffID) > maxHandoff {
		bad("HandoffID", "is not a handoff id such as H123456789 (at most %d characters)", maxHandoff)
	}
	if _, err := c.root(); err != nil {
		bad("BaseURL", "%w", err)
	}
	if c.ReportingURL != "" {
		if err := c.signable(c.ReportingURL); err != nil {
			bad("ReportingURL", "%w", err)
		}
	}
	if c.Auth == nil {
		bad("Auth", "is missing: without credentials the API refuses every request")
	} else if v, ok := c.Auth.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			bad("Auth", "%w", err)
		}
	}
	if c.TicketAge < time.Second || c.TicketAge > time.Hour {
		bad("TicketAge", "is %s; must be between 1s and 1h", c.TicketAge)
	}
	for i, ch := range c.Channels {
		switch {
		case ch != SMS && ch != WhatsApp && ch != InApp:
			bad(fmt.Sprintf("Channels[%d]", i), "%q is no channel: there are sms, wa and inapp", string(ch))
		case slices.Contains(c.Channels[:i], ch):
			bad(fmt.Sprintf("Channels[%d]", i), "%q comes twice", string(ch))
		case ch == InApp && len(c.Channels) > 1:
			bad(fmt.Sprintf("Channels[%d]", i), "inapp stands alone: a handoff that has it has no other channel")
		}
	}
	if c.IVRNumber != "" && !ivrNumberForm.MatchString(c.IVRNumber) {
		bad("IVRNumber", "is not a number (digits, with a plus sign or without)")
	}
	if c.RatePerSecond < 1 || c.RatePerSecond > 1000 {
		bad("RatePerSecond", "is %d; must be between 1 and 1000", c.RatePerSecond)
	}
	return errors.Join(errs...)
}

// Follows returns every setting that keeps a Client of the configuration old from
// going on with c, each a [*deflect.ConfigError], joined; nil when there is none.
func (c Config) Follows(old Config) error {
	root, _ := c.root()
	oldRoot, _ := old.root()
	var errs []error
	if c.Account != old.Account {
		errs = append(errs, &deflect.ConfigError{Field: "Account", Err: deflect.ErrRestart})
	}
	if root != oldRoot {
		errs = append(errs, &deflect.ConfigError{Field: "BaseURL", Err: deflect.ErrRestart})
	}
	return errors.Join(errs...)
}

// Root returns the URL of the API's root, without a slash at its end. It waits for Domains,
// where that has to tell it, as long as ctx allows.
func (c Config) Root(ctx context.Context) (string, error) {
	root, err := c.root()
	switch {
	case err != nil:
		return "", &deflect.ConfigError{Field: "BaseURL", Err: err}
	case root == "":
		return c.Domains.Root(ctx, service)
	}
	return root, nil
}

// root is Root, "" where only Domains can tell it.
func (c Config) root() (string, error) {
	switch {
	case c.BaseURL == "" && c.Domains == nil:
		return "", errors.New("is missing, and there are no Domains to ask: one of them says where the API is")
	case c.BaseURL == "":
		return "", nil
	}
	if err := c.signable(c.BaseURL); err != nil {
		return "", err
	}
	return wire.Root(c.BaseURL)
}

// signable says why requests cannot be made below a URL.
func (c Config) signable(base string) error {
	root, err := wire.Root(base)
	if err != nil {
		return err
	}
	switch c.Auth.(type) {
	case liveperson.OAuth1, *liveperson.OAuth1:
		if u, err := url.Parse(root); err != nil || !wire.SignablePort(u) {
			return errors.New("has the port of the other scheme: 443 is for https, 80 for http")
		}
	}
	return nil
}
