package freeswitch

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Config says whom the server talks to and what callers hear. Client and one
// profile are required; the zero value of everything else is the default that
// its comment names.
type Config struct {
	Client   *deflect.Client
	Profiles []Profile

	Allow    []netip.Prefix // peers that may connect; loopback
	MaxCalls int            // calls at a time; more are closed at once, and their dialplan goes on; 10000

	DrainTimeout      time.Duration // how long live calls may go on after shutdown began; 30 s
	FirstFrameTimeout time.Duration // from connecting to the channel data; 5 s
	IdleTimeout       time.Duration // longest silence of the switch: longer than any prompt and gap; 2 m, at least 10 s

	Logger     *slog.Logger          // one line a call; nil discards
	Registerer prometheus.Registerer // nil is a private registry; one Server a Registerer
}

// Profile is the offer that callers of some dialled numbers get.
type Profile struct {
	Name    string   // letters, digits, '-' and '_'; required
	Dialed  []string // numbers it serves, E.164; a profile without any serves the rest
	Skill   string   // skill of the conversation, unless the channel sets deflect_skill
	Text    string   // text to send, unless the channel sets deflect_text; empty for LiveDeflect's standard welcome
	TextTag string   // tag of the text, unless the channel sets deflect_text_tag

	AcceptDigit  string        // "1"
	DeclineDigit string        // "2"
	Repeat       int           // how often the offer is played; 1
	Gap          time.Duration // how long to listen after it; 3 s
	Prompts      Prompts
}

// Prompts are what callers hear: anything that FreeSWITCH's playback takes. An
// empty one is not played; Offer is required.
type Prompts struct {
	Offer     string // the question
	Wait      string // while the request runs
	Sent      string
	Failed    string
	Uncertain string
}

// DefaultConfig returns a Config with every default filled in and nothing else.
func DefaultConfig() Config { return Config{}.withDefaults() }

func (c Config) withDefaults() Config {
	if c.Allow == nil {
		c.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	def(&c.MaxCalls, 10000)
	def(&c.DrainTimeout, 30*time.Second)
	def(&c.FirstFrameTimeout, 5*time.Second)
	def(&c.IdleTimeout, 2*time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	profiles := make([]Profile, len(c.Profiles))
	for i, p := range c.Profiles {
		profiles[i] = p.WithDefaults()
	}
	c.Profiles = profiles
	return c
}

// WithDefaults returns the profile with its defaults filled in.
func (p Profile) WithDefaults() Profile {
	def(&p.AcceptDigit, "1")
	def(&p.DeclineDigit, "2")
	def(&p.Repeat, 1)
	def(&p.Gap, 3*time.Second)
	return p
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate returns every problem of the configuration, each a
// [*deflect.ConfigError], joined; nil when there is none.
func (c Config) Validate() error {
	c = c.withDefaults()
	v := &checker{}
	if c.Client == nil {
		v.bad("Client", "is missing")
	}
	if len(c.Allow) == 0 {
		v.bad("Allow", "is empty: nobody could connect")
	}
	for i, p := range c.Allow {
		if !p.IsValid() {
			v.bad(fmt.Sprintf("Allow[%d]", i), "is not a network such as 10.0.0.0/8")
		}
	}
	if c.MaxCalls < 1 {
		v.bad("MaxCalls", "is %d; must be positive", c.MaxCalls)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"DrainTimeout", c.DrainTimeout}, {"FirstFrameTimeout", c.FirstFrameTimeout}, {"IdleTimeout", c.IdleTimeout},
	} {
		if d.value < 0 {
			v.bad(d.field, "is %s; must be positive", d.value)
		}
	}
	if c.IdleTimeout > 0 && c.IdleTimeout < 10*time.Second {
		v.bad("IdleTimeout", "is %s; must be at least 10s, a prompt is silence too", c.IdleTimeout)
	}
	for i, p := range c.Profiles {
		if p.Gap <= maxGap && c.IdleTimeout > 0 && p.Gap >= c.IdleTimeout {
			v.bad(fmt.Sprintf("Profiles[%d].Gap", i), "is %s; must be shorter than IdleTimeout (%s)", p.Gap, c.IdleTimeout)
		}
	}
	region := "US"
	if c.Client != nil {
		region = c.Client.DefaultRegion()
	}
	v.profiles(c.Profiles, region)
	return errors.Join(v.errs...)
}

// ValidateProfiles returns every problem of profiles whose numbers are read in
// the given region, as [Config.Validate] would.
func ValidateProfiles(profiles []Profile, region string) error {
	v := &checker{}
	v.profiles(Config{Profiles: profiles}.withDefaults().Profiles, region)
	return errors.Join(v.errs...)
}

// maxGap is the longest silence after an offer that makes sense.
const maxGap = time.Minute

type checker struct{ errs []error }

func (v *checker) bad(field, format string, args ...any) {
	v.errs = append(v.errs, &deflect.ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
}

func (v *checker) profiles(profiles []Profile, region string) {
	if len(profiles) == 0 {
		v.bad("Profiles", "is empty: no caller could be offered a text")
	}
	names, numbers, rest := map[string]bool{}, map[string]string{}, ""
	for i, p := range profiles {
		at := fmt.Sprintf("Profiles[%d]", i)
		switch {
		case !wordForm.MatchString(p.Name):
			v.bad(at+".Name", "must be 1 to 64 letters, digits, '-' or '_'")
		case names[p.Name]:
			v.bad(at+".Name", "%q is the name of an earlier profile too", p.Name)
		}
		names[p.Name] = true
		for j, d := range p.Dialed {
			n, ok := deflect.PhoneNumber(d).E164(region)
			field := fmt.Sprintf("%s.Dialed[%d]", at, j)
			if !ok {
				v.bad(field, "is not a telephone number such as +18005550100")
			} else if other, ok := numbers[n]; ok {
				v.bad(field, "is served by profile %q already", other)
			}
			numbers[n] = p.Name
		}
		if len(p.Dialed) == 0 {
			if rest != "" {
				v.bad(at+".Dialed", "is missing: profile %q already serves the numbers that no profile names", rest)
			}
			rest = p.Name
		}
		v.profile(at, p)
	}
}

func (v *checker) profile(at string, p Profile) {
	if !digitForm.MatchString(p.AcceptDigit) {
		v.bad(at+".AcceptDigit", "must be one of 0-9, * and #")
	}
	if !digitForm.MatchString(p.DeclineDigit) {
		v.bad(at+".DeclineDigit", "must be one of 0-9, * and #")
	}
	if p.AcceptDigit == p.DeclineDigit {
		v.bad(at+".DeclineDigit", "is the accept digit too")
	}
	if p.Repeat < 1 || p.Repeat > 10 {
		v.bad(at+".Repeat", "is %d; must be between 1 and 10", p.Repeat)
	}
	if p.Gap < 0 || p.Gap > maxGap {
		v.bad(at+".Gap", "is %s; must be between 1ms and 1m", p.Gap)
	}
	if p.Prompts.Offer == "" {
		v.bad(at+".Prompts.Offer", "is missing: the caller would hear nothing")
	}
	for _, f := range []struct{ field, value string }{
		{"Offer", p.Prompts.Offer}, {"Wait", p.Prompts.Wait}, {"Sent", p.Prompts.Sent},
		{"Failed", p.Prompts.Failed}, {"Uncertain", p.Prompts.Uncertain},
	} {
		if err := checkPrompt(f.value); err != nil {
			v.bad(at+".Prompts."+f.field, "%w", err)
		}
	}
}

// checkPrompt refuses what would not stay one argument of playback, and what
// the switch would expand.
func checkPrompt(s string) error {
	switch {
	case strings.Contains(s, "${"):
		return errors.New("holds ${, which the switch would expand; prompts are fixed")
	case !utf8.ValidString(s):
		return errors.New("is not UTF-8")
	case strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return errors.New("holds a control character")
	case strings.TrimSpace(s) != s:
		return errors.New("begins or ends with a space")
	case len(s) > 1024:
		return errors.New("is longer than 1024 bytes")
	}
	return nil
}
