package c2mtest

import (
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// Config says what a Server accepts and how it answers. The zero value of each
// field is its documented default.
type Config struct {
	// Account is the only account that there is. Empty: any.
	Account string

	// ClientID and ClientSecret are those of OAuth 2.0 client credentials. Without a
	// ClientID no token is given, and none is good.
	ClientID, ClientSecret string

	// TokenLife is how long a token is good. Default: an hour. ExpiresIn is how an answer
	// with a token says so.
	TokenLife time.Duration
	ExpiresIn ExpiresIn

	// ConsumerKey, ConsumerSecret, Token and TokenSecret are the four values of OAuth 1.0,
	// which is good for all calls but the shift status. Without a ConsumerKey every
	// signature is refused.
	ConsumerKey, ConsumerSecret, Token, TokenSecret string

	// HandoffIDs and Skills are those that are set up. Empty: any.
	HandoffIDs, Skills []string

	// Channels are those of every handoff, by their priority. Default: sms alone.
	// InApp stands alone.
	Channels []string

	// TicketLife is how long after its eligibility a callId can be invited with; the vendor
	// does not say. Default: 15 minutes.
	TicketLife time.Duration

	// SecondInvite is what a second invite with a callId does; the vendor does not say.
	SecondInvite SecondInvite

	// OtherCallID lets an invite be answered with another callId than it was sent, as in
	// the example of one page.
	OtherCallID bool

	// DeviceCheck tells landlines apart, as a setting of accounts does that is off by
	// default. Without it a landline is eligible, and its text fails later.
	DeviceCheck bool

	// Open is what eligibility knows of consumers with an open conversation; the vendor
	// does not say.
	Open Open

	// OptOutsKnown lets eligibility say no to whom has opted out; the vendor says only
	// that the message is skipped.
	OptOutsKnown bool

	// Rate is how many requests for eligibility and invites, together, are taken in any
	// one second. Default: 30. Negative: any number. ReportRate is the same for each of
	// transactions and analytics. Default: 10.
	Rate, ReportRate int

	// Region is the first label of the hosts that the Domain API names, unless a socket is
	// served. Default: va.
	Region string

	// Domains are hosts by service that the Domain API names instead; an empty one takes
	// a service away.
	Domains map[string]string

	// Consumer says how whoever gets a message takes it. It is asked once a message.
	// Nil: it is delivered at once and never answered.
	Consumer func(Invite) Consumer

	// Report says how transactions and analytics are answered. SetReport replaces it.
	Report Report

	// BaseURL is where the APIs are for users of RoundTrip, all of them: paths tell which.
	// If it is set, RoundTrip knows no other host: a request that goes elsewhere fails like
	// a name that does not exist. If it has a path, the APIs are below that path, also over
	// a socket. Empty: URL gives "https://va.connect-to-messaging.liveperson.net" and
	// RoundTrip answers for every host.
	BaseURL string

	// Seed makes the callIds always the same. Empty: they are unique.
	Seed string

	// KeepLast is how many requests, eligibilities and invites are remembered; the oldest
	// go first. Default: 100,000.
	KeepLast int

	// FaultFor chooses the fault of a request by what it asks for, as far as that can be
	// read; without one that strikes, the request meets those of Inject and SetFault. The
	// zero Fault lets it through unharmed. It is called from several goroutines at once.
	// Nil: none.
	FaultFor func(Asked) (f Fault, strikes bool)

	// Logger gets one line for each request, without numbers of people. Nil: no log.
	Logger *slog.Logger
}

// Asked is what FaultFor chooses by. CallID is empty for an eligibility, Number is that
// of the eligibility or of the one that an invite is for.
type Asked struct{ Call, CallID, Number string }

// The channels of handoffs.
const (
	SMS      = "sms"
	WhatsApp = "wa"
	InApp    = "inapp"
)

// ExpiresIn is the form of expires_in. LivePerson's own client wants a string, another one
// a number, and the example has none.
type ExpiresIn int

const (
	ExpiresString ExpiresIn = iota
	ExpiresNumber
	ExpiresMissing
)

// SecondInvite is what a second invite with the same callId does.
type SecondInvite int

const (
	SendsAgain    SecondInvite = iota // another message: the worst for a client that repeats
	SecondRefused                     // 400, code 1400
)

// Open is what eligibility says of a consumer with an open conversation. Those on
// WhatsApp are always eligible, and an invite is refused whatever eligibility said.
type Open int

const (
	OpenNotEligible Open = iota // eligible false
	OpenRefused                 // 400, code 1400
	OpenUnseen                  // eligible true
)

// Consumer is how somebody takes a message. The zero value gets it at once and does
// nothing.
type Consumer struct {
	// Error, if it is not empty, is why the message is not delivered: the code of
	// ErrorSource in the vendor's dictionary, such as "30003" of "twilio".
	Error, ErrorSource string

	// Reads says that it is read, which only WhatsApp can tell.
	Reads bool

	// Replies opens a conversation, After the message.
	Replies bool
	After   time.Duration
}

const (
	defaultBaseURL    = "https://va.connect-to-messaging.liveperson.net"
	defaultKeepLast   = 100_000
	defaultTokenLife  = time.Hour
	defaultTicketLife = 15 * time.Minute
	defaultRate       = 30
	defaultReportRate = 10
	defaultRegion     = "va"
)

// withDefaults fills what was left empty and gives the parsed BaseURL.
func (c Config) withDefaults() (Config, *url.URL, error) {
	fill(&c.BaseURL, defaultBaseURL)
	fill(&c.KeepLast, defaultKeepLast)
	fill(&c.TokenLife, defaultTokenLife)
	fill(&c.TicketLife, defaultTicketLife)
	fill(&c.Rate, defaultRate)
	fill(&c.ReportRate, defaultReportRate)
	fill(&c.Region, defaultRegion)
	if len(c.Channels) == 0 {
		c.Channels = []string{SMS}
	}
	c.Channels, c.HandoffIDs, c.Skills, c.Domains = slices.Clone(c.Channels), slices.Clone(c.HandoffIDs), slices.Clone(c.Skills), maps.Clone(c.Domains)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for name, n := range map[string]time.Duration{
		"Config.KeepLast": time.Duration(c.KeepLast), "Config.TokenLife": c.TokenLife, "Config.TicketLife": c.TicketLife,
	} {
		if n < 0 {
			return c, nil, fmt.Errorf("%s is negative", name)
		}
	}
	switch {
	case c.ExpiresIn < ExpiresString || c.ExpiresIn > ExpiresMissing:
		return c, nil, fmt.Errorf("Config.ExpiresIn %d is unknown", c.ExpiresIn)
	case c.SecondInvite < SendsAgain || c.SecondInvite > SecondRefused:
		return c, nil, fmt.Errorf("Config.SecondInvite %d is unknown", c.SecondInvite)
	case c.Open < OpenNotEligible || c.Open > OpenUnseen:
		return c, nil, fmt.Errorf("Config.Open %d is unknown", c.Open)
	}
	if err := channelsFit(c.Channels); err != nil {
		return c, nil, err
	}
	if err := c.Report.validate(); err != nil {
		return c, nil, fmt.Errorf("Config.%w", err)
	}
	base, err := double.ParseBase(c.BaseURL)
	return c, base, err
}

func fill[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

func channelsFit(channels []string) error {
	for i, ch := range channels {
		if ch != SMS && ch != WhatsApp && ch != InApp {
			return fmt.Errorf("Config.Channels: %q is unknown", ch)
		}
		if slices.Contains(channels[:i], ch) || ch == InApp && len(channels) > 1 {
			return fmt.Errorf("Config.Channels: %q comes twice, or beside others", ch)
		}
	}
	return nil
}
