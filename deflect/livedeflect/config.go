package livedeflect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// TimeUnit is the unit of deflectionAcceptTime and callBeginTime. The vendor's
// table says seconds and its example shows milliseconds.
type TimeUnit int

// The units; the zero value is milliseconds, as in the vendor's example.
const (
	Milliseconds TimeUnit = iota
	Seconds
)

// TagField is the name under which the text tag is sent. The vendor's table
// says deflectionTextTag and its example deflectionTagText.
type TagField int

// The names; the zero value sends the tag under both.
const (
	TagBoth TagField = iota
	TagTextTag
	TagTagText
)

// Config says how to reach LiveDeflect. SiteID, Auth and one of Domain, BaseURL and
// Domains are required; the zero value of everything else is the default that
// its comment names.
type Config struct {
	SiteID string // LivePerson account id

	// Domain is the first label of https://{domain}.ivrdeflect.liveperson.net,
	// such as "va" (North America), "lo" (EMEA) or "sy" (APAC), or a whole host name.
	Domain string
	// BaseURL is used instead of Domain: https, or http to a loopback address.
	BaseURL string
	// Domains tells where LiveDeflect is when neither of them is set: in the region of the
	// account's agentVep, for the name of its own service was never published. Until it has
	// told, nothing is sent: [deflect.ReasonUnreachable].
	Domains *liveperson.Domains
	// Auth signs the requests; see [liveperson.OAuth1] and [liveperson.OAuth2].
	Auth liveperson.Authenticator

	TimeUnit     TimeUnit // Milliseconds
	TextTagField TagField // TagBoth
	TrunkPrefix  bool     // send national numbers with their trunk prefix ("0400111222"), which one vendor page shows; without
	Report       ReportConfig

	// Transport replaces the HTTP transport, for tests and for embedders who
	// bring their own; nil is [liveperson.NewTransport], made anew every few minutes and when a
	// connection fell silent, so that a changed name is followed. It must deliver a request at most
	// once, and not return while it may still send: one that tries again by itself breaks the promise of one text. Only liveperson.NewTransport's can prove
	// that a broken connection carried nothing; with another one a request that
	// failed after it got a connection counts as possibly processed.
	Transport http.RoundTripper
	// Logger gets debug lines per request for the report; nil discards.
	Logger *slog.Logger
	// Registerer gets the metrics; nil is a private registry. One Client a Registerer.
	Registerer prometheus.Registerer
}

// DefaultConfig returns a Config with every default filled in and nothing else.
func DefaultConfig() Config { return Config{}.withDefaults() }

func (c Config) withDefaults() Config {
	def(&c.Report.Window, time.Hour)
	def(&c.Report.Parallel, 3)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// Validate returns every problem of the configuration, each a [*deflect.ConfigError],
// joined; nil when there is none.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &deflect.ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
	}
	switch {
	case c.SiteID == "":
		bad("SiteID", "is missing: the LivePerson account id")
	case !wire.IsAccount(c.SiteID):
		bad("SiteID", "is not an account id (letters and digits)")
	}
	if _, field, err := c.endpoint(); err != nil {
		bad(field, "%w", err)
	}
	if c.Auth == nil {
		bad("Auth", "is missing: without keys the API refuses every request")
	} else if v, ok := c.Auth.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			bad("Auth", "%w", err)
		}
	}
	if c.TimeUnit != Milliseconds && c.TimeUnit != Seconds {
		bad("TimeUnit", "is not a known unit")
	}
	if c.TextTagField < TagBoth || c.TextTagField > TagTagText {
		bad("TextTagField", "is not a known field")
	}
	c.Report.validate(bad)
	return errors.Join(errs...)
}

// Follows returns every setting that keeps a Client of the configuration old from
// going on with c, each a [*deflect.ConfigError], joined; nil when there is none.
func (c Config) Follows(old Config) error {
	root, _, _ := c.endpoint()
	oldRoot, _, _ := old.endpoint()
	endpoint := "Domain"
	if c.BaseURL != "" {
		endpoint = "BaseURL"
	}
	var errs []error
	if c.SiteID != old.SiteID {
		errs = append(errs, &deflect.ConfigError{Field: "SiteID", Err: deflect.ErrRestart})
	}
	if root != oldRoot {
		errs = append(errs, &deflect.ConfigError{Field: endpoint, Err: deflect.ErrRestart})
	}
	return errors.Join(errs...)
}

// URL returns that of the API's root, without a slash at its end; an error also when only
// Domains can tell it.
func (c Config) URL() (string, error) {
	root, field, err := c.endpoint()
	if err == nil && root == "" {
		field, err = "Domain", errors.New("is not set: the Domain API tells where LiveDeflect is")
	}
	if err != nil {
		return "", &deflect.ConfigError{Field: field, Err: err}
	}
	return root, nil
}

// Root is URL, which waits for Domains as long as ctx allows.
func (c Config) Root(ctx context.Context) (string, error) {
	if c.Domain == "" && c.BaseURL == "" && c.Domains != nil {
		return c.Domains.Near(ctx, "agentVep", "ivrdeflect")
	}
	return c.URL()
}

// endpoint returns the URL of the API's root without a trailing slash, "" when only Domains
// can tell it, or the field at fault.
func (c Config) endpoint() (root, field string, err error) {
	switch {
	case c.Domain == "" && c.BaseURL == "" && c.Domains != nil:
		return "", "", nil
	case c.Domain == "" && c.BaseURL == "":
		return "", "Domain", errors.New("is missing: a label such as va, or a BaseURL")
	case c.Domain != "" && c.BaseURL != "":
		return "", "BaseURL", errors.New("and Domain are both set; keep one")
	case c.Domain != "":
		if !hostForm.MatchString(c.Domain) {
			return "", "Domain", errors.New("is not a label such as va, nor a host name")
		}
		if strings.Contains(c.Domain, ".") {
			return "https://" + c.Domain, "", nil
		}
		return "https://" + c.Domain + ".ivrdeflect.liveperson.net", "", nil
	}
	root, err = wire.Root(c.BaseURL)
	if err != nil {
		return "", "BaseURL", err
	}
	switch c.Auth.(type) {
	case liveperson.OAuth1, *liveperson.OAuth1:
		if u, err := url.Parse(root); err != nil || !wire.SignablePort(u) {
			return "", "BaseURL", errors.New("has the port of the other scheme: 443 is for https, 80 for http")
		}
	}
	return root, "", nil
}
