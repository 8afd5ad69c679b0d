package deflect

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
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

// NumberCheck says what is asked of a caller's number before it is texted.
type NumberCheck int

// The checks; the zero value is valid.
const (
	ValidNumbers    NumberCheck = iota // the number plan of its country has such numbers
	PossibleNumbers                    // it has the length of one, for ranges that are newer than this program
)

// Config says how to reach LiveDeflect. SiteID, Auth and one of Domain and
// BaseURL are required; the zero value of everything else is the default that
// its comment names.
type Config struct {
	SiteID string // LivePerson account id

	// Domain is the first label of https://{domain}.ivrdeflect.liveperson.net,
	// such as "va" (North America), "lo" (EMEA) or "sy" (APAC), or a whole host name.
	Domain string
	// BaseURL is used instead of Domain: https, or http to a loopback address.
	BaseURL string
	// Auth signs the requests; see [OAuth1].
	Auth Authenticator

	LiveDeadline  time.Duration // longest that Deflect takes, everything included; 4 s
	TimeUnit      TimeUnit      // Milliseconds
	TextTagField  TagField      // TagBoth
	TrunkPrefix   bool          // send national numbers with their trunk prefix ("0400111222"), which one vendor page shows; without
	DefaultRegion string        // ISO 3166 region of numbers without a plus sign; "US"
	NumberCheck   NumberCheck   // ValidNumbers; those dialled need only be possible
	MaxTextLength int           // longest text in characters; 1600
	Breaker       BreakerConfig
	Report        ReportConfig
	Settle        SettleConfig
	// MaxRequests is how many requests for a text are under way at a time, and so, over
	// HTTP/1.1, how many connections. One that has to wait for its turn does so within its
	// deadline. 0 is no limit. Reports have their own (Report.Parallel).
	MaxRequests  int
	MaxCooldowns int // how many callers in a cooldown are remembered in memory, some 200 bytes each; 100000

	// Transport replaces the HTTP transport, for tests and for embedders who
	// bring their own; nil is [NewTransport], made anew every few minutes and when a
	// connection fell silent, so that a changed name is followed. It must deliver a request at most
	// once, and not return while it may still send: one that tries again by itself breaks the promise of one text. Only NewTransport's can prove
	// that a broken connection carried nothing; with another one a request that
	// failed after it got a connection counts as possibly processed.
	Transport http.RoundTripper
	// Cooldowns remembers who was texted, for every [Policy]; nil is a store in memory.
	Cooldowns Cooldowns
	// Logger gets debug lines per request and the moves of the breaker; nil discards.
	Logger *slog.Logger
	// OnSettled hears of every [Uncertain] deflection once: when the report has told
	// whether its text went out, or will not tell. It is called one at a time, from a
	// goroutine of the Client; Close waits for it, so it must not call Close.
	OnSettled func(Settlement)
	// Registerer gets the metrics; nil is a private registry. One Client a Registerer.
	Registerer prometheus.Registerer
}

// BreakerConfig says when callers are no longer offered a text.
type BreakerConfig struct {
	Failures int           // failures in a row that open the breaker; 5
	OpenFor  time.Duration // how long it stays open before one call tries again; 30 s
}

// DefaultConfig returns a Config with every default filled in and nothing else.
func DefaultConfig() Config { return Config{}.withDefaults() }

func (c Config) withDefaults() Config {
	def(&c.LiveDeadline, 4*time.Second)
	def(&c.DefaultRegion, "US")
	def(&c.MaxTextLength, 1600)
	def(&c.Breaker.Failures, 5)
	def(&c.Breaker.OpenFor, 30*time.Second)
	def(&c.Report.Window, time.Hour)
	def(&c.Report.Parallel, 3)
	def(&c.Report.Lookback, time.Hour)
	def(&c.Settle.After, 15*time.Second)
	def(&c.Settle.Limit, 10*time.Minute)
	def(&c.Settle.Max, 1000)
	def(&c.MaxCooldowns, 100_000)
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

var (
	siteIDForm = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)
	hostForm   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
)

// Validate returns every problem of the configuration, each a [*ConfigError],
// joined; nil when there is none.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
	}
	switch {
	case c.SiteID == "":
		bad("SiteID", "is missing: the LivePerson account id")
	case !siteIDForm.MatchString(c.SiteID):
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
	if c.LiveDeadline < 100*time.Millisecond || c.LiveDeadline > time.Minute {
		bad("LiveDeadline", "is %s; must be between 100ms and 1m, a caller is waiting", c.LiveDeadline)
	}
	if c.TimeUnit != Milliseconds && c.TimeUnit != Seconds {
		bad("TimeUnit", "is not a known unit")
	}
	if c.TextTagField < TagBoth || c.TextTagField > TagTagText {
		bad("TextTagField", "is not a known field")
	}
	if !phone.IsRegion(c.DefaultRegion) {
		bad("DefaultRegion", "%q is not an ISO 3166 region such as US", c.DefaultRegion)
	}
	if c.NumberCheck != ValidNumbers && c.NumberCheck != PossibleNumbers {
		bad("NumberCheck", "is not a known check")
	}
	if c.MaxTextLength < 1 {
		bad("MaxTextLength", "is %d; must be positive", c.MaxTextLength)
	}
	if c.Breaker.Failures < 1 {
		bad("Breaker.Failures", "is %d; must be positive", c.Breaker.Failures)
	}
	if c.Breaker.OpenFor < 0 {
		bad("Breaker.OpenFor", "is %s; must be positive", c.Breaker.OpenFor)
	}
	if c.MaxRequests < 0 {
		bad("MaxRequests", "is %d; must be 0 for no limit, or positive", c.MaxRequests)
	}
	if c.MaxCooldowns < 1 {
		bad("MaxCooldowns", "is %d; must be positive", c.MaxCooldowns)
	}
	c.Report.validate(bad)
	c.Settle.validate(bad)
	return errors.Join(errs...)
}

// endpoint returns the URL of the API's root without a trailing slash, or the
// field at fault.
func (c Config) endpoint() (root, field string, err error) {
	switch {
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
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil:
		// The parser's error quotes the input, which may hold credentials.
		return "", "BaseURL", errors.New("is not a URL")
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return "", "BaseURL", errors.New("has no host; it looks like https://host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", "BaseURL", errors.New("may hold scheme, host, port and path only")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "", "BaseURL", errors.New("is plain http to another machine: requests carry numbers; use https")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", "BaseURL", errors.New("must be https (or http to a loopback address)")
	}
	u.Host = strings.TrimSuffix(u.Host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
	switch c.Auth.(type) {
	case OAuth1, *OAuth1:
		if !signablePort(u) {
			return "", "BaseURL", errors.New("has the port of the other scheme: 443 is for https, 80 for http")
		}
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), "", nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// NewTransport returns the transport that a Client uses by default: kept-alive
// connections, HTTP/2 where offered, TLS 1.2 or newer, proxies from the
// environment, and connections that know whether a request left the machine.
// Each call returns a transport of its own.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}
	return newTransport(dialer.DialContext)
}
