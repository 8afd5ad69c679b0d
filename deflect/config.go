package deflect

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// NumberCheck says what is asked of a caller's number before it is texted.
type NumberCheck int

// The checks; the zero value is valid.
const (
	ValidNumbers    NumberCheck = iota // the number plan of its country has such numbers
	PossibleNumbers                    // it has the length of one, for ranges that are newer than this program
)

// Config says how texts are sent, and when not. Backend is required; the zero value of
// everything else is the default that its comment names.
type Config struct {
	// Backend sends the texts.
	Backend Backend
	// Backends send the texts of some Policies, by the names of those; all others are sent by
	// Backend. A Backend can have several of them. Two that are not the same have two names.
	Backends map[string]Backend

	LiveDeadline time.Duration // longest that Deflect takes, everything included; 4 s
	// AskDeadline is the longest that an offer takes where the backend has to be asked before
	// it ([Asker]), everything included: the caller waits unanswered. Not longer than
	// LiveDeadline; 700 ms, or LiveDeadline if that is shorter.
	AskDeadline   time.Duration
	DefaultRegion string      // ISO 3166 region of numbers without a plus sign; "US"
	NumberCheck   NumberCheck // ValidNumbers; those dialled need only be possible
	MaxTextLength int         // longest text in characters; 1600
	Breaker       BreakerConfig
	Settle        SettleConfig
	// MaxRequests is how many requests for a text are under way at a time, and so, over
	// HTTP/1.1, how many connections. One that has to wait for its turn does so within its
	// deadline. 0 is no limit. Those of the backend for other things do not count.
	MaxRequests  int
	MaxCooldowns int // how many callers in a cooldown are remembered in memory, some 200 bytes each; 100000

	// Journal remembers texts by the id of their call; nil is one in memory, of the last
	// MaxCooldowns calls.
	Journal Journal
	// JournalOptional says that a text goes out also when the Journal does not answer, which
	// is counted. It can then be sent a second time, when its call comes again or after a
	// crash. Without it, no text does; and a text that waits always needs it.
	JournalOptional bool
	Remember        time.Duration // how long it is known what became of a call's text; 24 h
	// Policies are those whose calls are counted by their names, and whose texts may wait,
	// which needs a Journal: a text goes by the rules of the time when it goes out.
	Policies []*Policy

	// Cooldowns remembers who was texted, for every [Policy]; nil is a store in memory.
	Cooldowns Cooldowns
	// Budgets counts the texts of every [Policy] that has a [Budget]; nil is a store in
	// memory.
	Budgets Budgets
	// Warnings tells other processes that the API fails, and hears of it from them; nil is
	// nobody.
	Warnings Warnings
	// Logger gets debug lines per request and the moves of the breaker; nil discards.
	Logger *slog.Logger
	// OnSettled hears of every [Uncertain] deflection once: when the backend has told
	// whether its text went out, or will not tell. It is called one at a time, from a
	// goroutine of the Client; Close waits for it, so it must not call Close.
	OnSettled func(Settlement)
	// Trace hears of every step; nil is nobody.
	Trace *Trace
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
	def(&c.AskDeadline, min(700*time.Millisecond, c.LiveDeadline))
	def(&c.DefaultRegion, "US")
	def(&c.MaxTextLength, 1600)
	def(&c.Breaker.Failures, 5)
	def(&c.Breaker.OpenFor, 30*time.Second)
	def(&c.Settle.After, 15*time.Second)
	def(&c.Settle.Limit, 10*time.Minute)
	def(&c.Settle.Max, 1000)
	def(&c.MaxCooldowns, 100_000)
	def(&c.Remember, 24*time.Hour)
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

// Validate returns every problem of the configuration, each a [*ConfigError],
// joined; nil when there is none.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
	}
	if c.Backend == nil {
		bad("Backend", "is missing: who sends the texts, such as a livedeflect.Client")
	}
	c.validateBackends(bad)
	if c.LiveDeadline < 100*time.Millisecond || c.LiveDeadline > time.Minute {
		bad("LiveDeadline", "is %s; must be between 100ms and 1m, a caller is waiting", c.LiveDeadline)
	}
	if c.LiveDeadline > 0 && (c.AskDeadline < 0 || c.AskDeadline > c.LiveDeadline) {
		bad("AskDeadline", "is %s; must be positive and not longer than LiveDeadline, %s", c.AskDeadline, c.LiveDeadline)
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
	if c.Remember < time.Minute || c.Remember > 31*24*time.Hour {
		bad("Remember", "is %s; must be between 1m and 31 days", c.Remember)
	}
	names := map[string]bool{}
	for i, p := range c.Policies {
		field := fmt.Sprintf("Policies[%d]", i)
		switch {
		case p == nil || p.hours == nil:
			bad(field, "was not made by NewPolicy")
		case names[p.name]:
			bad(field, "has the name of another one, %q", p.name)
		case !utf8.ValidString(p.name):
			bad(field, "has the name %q, which is not UTF-8 and can be no label", p.name)
		case c.Journal == nil && (p.rules.Later.Closed > 0 || p.rules.Later.Failed > 0):
			bad(field, "lets texts wait, which needs a Journal: in memory they would be lost with the process")
		default:
			names[p.name] = true
		}
	}
	c.Settle.validate(bad)
	return errors.Join(errs...)
}

// nameForm is of names that stand in labels, logs and the journal.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

func (c Config) validateBackends(bad func(field, format string, args ...any)) {
	known := map[string]Backend{}
	check := func(field string, b Backend) {
		name := b.Name()
		other, taken := known[name]
		switch {
		case !nameForm.MatchString(name):
			bad(field, "has the name %q; must be one word such as livedeflect, at most 32 of a-z, 0-9 and _", name)
		case taken && !sameBackend(other, b):
			bad(field, "has the name of another backend, %q: in the journal they would be one", name)
		default:
			known[name] = b
		}
		if m, is := b.(Meter); is {
			for _, call := range m.Calls() {
				if !nameForm.MatchString(call) {
					bad(field, "names its requests %q; must be one word, at most 32 of a-z, 0-9 and _", call)
				}
			}
		}
	}
	if c.Backend != nil {
		check("Backend", c.Backend)
	}
	for _, policy := range slices.Sorted(maps.Keys(c.Backends)) {
		field, b := fmt.Sprintf("Backends[%q]", policy), c.Backends[policy]
		switch {
		case b == nil:
			bad(field, "is nil: who sends the texts of the policy")
		case !slices.ContainsFunc(c.Policies, func(p *Policy) bool { return p != nil && p.name == policy }):
			bad(field, "is of no policy: there is none of this name in Policies")
		default:
			check(field, b)
		}
	}
}

// sameBackend is ==, also for values that it panics for: those are never the same.
func sameBackend(a, b Backend) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}
