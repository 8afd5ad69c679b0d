package freeswitch

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
	"github.com/ivrdeflect/ivrdeflect/deflect/sms"
)

// Config says whom the server talks to and what callers hear. Client and one
// profile are required; the zero value of everything else is the default that
// its comment names.
type Config struct {
	Client   *deflect.Client
	Profiles []Profile

	Inbound []Switch // whose waiting callers are offered a text, see [Server.Watch]
	Claims  Claims   // of the daemons that watch these too; nil: no other one does

	Allow    []netip.Prefix // peers that may connect, IPv4-mapped networks as the IPv4 ones that they name; loopback
	MaxCalls int            // calls at a time; more are refused, see [Server.Serve], and their dialplan goes on; 10000

	DrainTimeout      time.Duration // how long live calls may go on after shutdown began; 30 s
	FirstFrameTimeout time.Duration // from connecting to the channel data; 5 s
	IdleTimeout       time.Duration // longest silence of the switch: longer than any prompt and gap; 2 m, at least 10 s

	// Variables names the channel variables (deflect_...) that also count for calls that
	// come from a browser, through mod_verto. It can set every one of them; none.
	Variables []string

	// Sounds is where FreeSWITCH finds the shipped prompts (dialplan/sounds): a
	// folder on its machine, or one below its sound_prefix; "ivrdeflect".
	Sounds string

	Trace *Trace // hears of every step of a call; nil is nobody

	Logger     *slog.Logger          // one line a call; nil discards
	Registerer prometheus.Registerer // nil is a private registry; one Server a Registerer
}

// Profile is the offer that callers of some dialled numbers get.
type Profile struct {
	Name    string   // letters, digits, '-' and '_'; required
	Dialed  []string // numbers it serves, E.164; a profile without any serves the rest. Several can split the calls of the same numbers, see Rules.From
	Skill   string   // skill of the conversation, unless the channel sets deflect_skill
	Text    string   // template of the text (see [sms.Template]), unless the channel sets deflect_text; empty for LiveDeflect's standard welcome
	TextTag string   // tag of the text, unless the channel sets deflect_text_tag

	HandoffID         string            // the campaign of the text, where the API has such ([deflect.Call])
	TemplateVariables map[string]string // of a text that the API keeps, by number; the channel sets others with deflect_template_1

	deflect.Rules // whom to offer a text, and when

	AcceptDigit  string        // "1"
	DeclineDigit string        // "2"
	Repeat       int           // how often the offer is played; 1
	Gap          time.Duration // how long to listen after it; 3 s

	OnSent OnSent // what becomes of waiting callers who were texted, see [Server.Watch]

	Confirm     bool          // ask whether the text arrived
	ConfirmGap  time.Duration // how long to wait for the answer; 15 s
	NumberEntry NumberEntry   // how another number is keyed in; with Rules.AskNumber

	Language  string                 // of Prompts and Text, and of callers whose language is not among Languages; "en"
	Prompts   Prompts                // in Language
	Languages map[string]Translation // what callers of other languages hear, by BCP 47 tag
}

// NumberEntry says how callers key in a number.
type NumberEntry struct {
	MinDigits  int           // 7
	MaxDigits  int           // at which it ends by itself; 15
	Terminator string        // the key that ends it; "#"
	Gap        time.Duration // silence that ends it; 5 s
	Tries      int           // 3
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
	def(&c.Sounds, "ivrdeflect")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Trace != nil {
		hooks := *c.Trace
		c.Trace = &hooks
	}
	c.Allow = slices.Clone(c.Allow)
	for i, p := range c.Allow {
		c.Allow[i] = unmapped(p)
	}
	c.Inbound = slices.Clone(c.Inbound)
	profiles := make([]Profile, len(c.Profiles))
	for i, p := range c.Profiles {
		profiles[i] = p.WithDefaults(c.Sounds)
	}
	c.Profiles = profiles
	c.Variables = slices.Clone(c.Variables)
	return c
}

// unmapped is the IPv4 network that an IPv4-mapped one (::ffff:10.0.0.0/104) names: peers
// are looked up by their IPv4 address, however they came.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// WithDefaults returns the profile with its defaults filled in, those prompts
// included that it takes from another language or from what is shipped in sounds.
func (p Profile) WithDefaults(sounds string) Profile {
	def(&p.Cooldown, 15*time.Minute)
	def(&p.Later.Spread, 10*time.Minute)
	def(&p.AcceptDigit, "1")
	def(&p.DeclineDigit, "2")
	def(&p.Repeat, 1)
	def(&p.Gap, 3*time.Second)
	def(&p.ConfirmGap, 15*time.Second)
	def(&p.NumberEntry.MinDigits, 7)
	def(&p.NumberEntry.MaxDigits, 15)
	def(&p.NumberEntry.Terminator, "#")
	def(&p.NumberEntry.Gap, 5*time.Second)
	def(&p.NumberEntry.Tries, 3)
	def(&p.Language, shippedLanguage)
	var languages map[string]Translation
	for lang := range p.Languages {
		if languages == nil {
			languages = map[string]Translation{}
		}
		languages[lang] = p.translate(lang, sounds)
	}
	base := p.translate(p.Language, sounds)
	def(&base.Text, None)
	if base.Text == None {
		for lang, t := range languages {
			def(&t.Text, None)
			languages[lang] = t
		}
	}
	p.Prompts, p.Text, p.Languages = base.Prompts, base.Text, languages
	p.Dialed = slices.Clone(p.Dialed)
	p.TemplateVariables = maps.Clone(p.TemplateVariables)
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
	_, err := c.ready()
	return err
}

// ready returns what a Server works by: the configuration with its defaults, and the
// rules and texts of its profiles made. The error is that of Validate.
func (c Config) ready() (*setup, error) {
	v := &checker{}
	if err := checkPrompt(c.Sounds); err != nil {
		v.bad("Sounds", "%w", err)
		c.Sounds = "" // said once, not for every prompt in it
	}
	c = c.withDefaults()
	if c.Client == nil {
		v.bad("Client", "is missing")
	}
	if len(c.Allow) == 0 {
		v.bad("Allow", "is empty: nobody could connect")
	}
	for i, p := range c.Allow {
		switch at := fmt.Sprintf("Allow[%d]", i); {
		case !p.IsValid():
			v.bad(at, "is not a network such as 10.0.0.0/8")
		case p.Addr().Is4In6():
			v.bad(at, "is more than every IPv4 address: write an IPv4 network, such as 10.0.0.0/8")
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
		at := fmt.Sprintf("Profiles[%d].", i)
		for _, g := range p.gaps() {
			if g.used && g.value <= maxGap && c.IdleTimeout > 0 && g.value >= c.IdleTimeout {
				v.bad(at+g.field, "is %s; must be shorter than the longest silence of the switch (%s)", g.value, c.IdleTimeout)
			}
		}
	}
	v.variables("Variables", c.Variables)
	v.inbound(c)
	region := "US"
	if c.Client != nil {
		region = c.Client.DefaultRegion()
	}
	profiles := &profiles{directory: newDirectory(c.Profiles, region), list: v.profiles(c.Profiles, region)}
	if err := errors.Join(v.errs...); err != nil {
		return nil, err
	}
	return &setup{Config: c, profiles: profiles}, nil
}

// maxGap is the longest silence after an offer that makes sense.
const maxGap = time.Minute

type checker struct{ errs []error }

func (v *checker) bad(field, format string, args ...any) {
	v.errs = append(v.errs, &deflect.ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
}

func (v *checker) profiles(profiles []Profile, region string) (ready []*profile) {
	if len(profiles) == 0 {
		v.bad("Profiles", "is empty: no caller could be offered a text")
	}
	names := map[string]bool{}
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
			if _, ok := numberplan.E164(phone.Number(d), region); !ok {
				v.bad(fmt.Sprintf("%s.Dialed[%d]", at, j), "is not a telephone number such as +18005550100")
			}
		}
		ready = append(ready, v.profile(at, p))
	}
	v.shares(profiles, region)
	return ready
}

// gap is one silence of a profile in which callers are listened to.
type gap struct {
	field string
	value time.Duration
	used  bool
}

func (p Profile) gaps() []gap {
	return []gap{{"Gap", p.Gap, true}, {"ConfirmGap", p.ConfirmGap, p.Confirm}, {"NumberEntry.Gap", p.NumberEntry.Gap, p.AskNumber}}
}

// profile makes a profile ready for calls, as far as there is nothing wrong with it.
func (v *checker) profile(at string, p Profile) *profile {
	policy, err := deflect.NewPolicy(p.Name, p.Rules)
	for _, err := range leaves(err) {
		v.bad(at+"."+err.Field, "%w", err.Err)
	}
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
	for _, g := range p.gaps() {
		if g.value < 0 || g.value > maxGap {
			v.bad(at+"."+g.field, "is %s; must be between 1ms and 1m", g.value)
		}
	}
	v.numberEntry(at+".NumberEntry", p.NumberEntry)
	if p.AskNumber && (p.AcceptDigit == p.NumberEntry.Terminator || p.DeclineDigit == p.NumberEntry.Terminator) {
		v.bad(at+".NumberEntry.Terminator", "is the accept or decline digit too: the end of a number would answer whether it is right")
	}
	ready := &profile{Profile: p, policy: policy, voices: map[string]*voice{}}
	v.languages(at, ready)
	return ready
}

func (v *checker) numberEntry(at string, n NumberEntry) {
	if n.MinDigits < 1 || n.MinDigits > n.MaxDigits {
		v.bad(at+".MinDigits", "is %d; must be between 1 and the most digits (%d)", n.MinDigits, n.MaxDigits)
	}
	if n.MaxDigits < 1 || n.MaxDigits > 20 {
		v.bad(at+".MaxDigits", "is %d; must be between 1 and 20", n.MaxDigits)
	}
	if n.Terminator != "#" && n.Terminator != "*" {
		v.bad(at+".Terminator", "must be # or *: a digit may be part of the number")
	}
	if n.Tries < 1 || n.Tries > 10 {
		v.bad(at+".Tries", "is %d; must be between 1 and 10", n.Tries)
	}
}

func (v *checker) languages(at string, p *profile) {
	base := languageChain(p.Language)
	if base == nil {
		v.bad(at+".Language", "is not a language such as en or es-MX")
		return
	}
	v.prompts(at+".Prompts", p.Profile, p.Language, p.Prompts)
	p.own = p.add(p.Language, p.Prompts, v.text(at+".Text", p.Text))
	seen := map[string]string{base[0]: "the profile itself"}
	for _, lang := range slices.Sorted(maps.Keys(p.Languages)) {
		field := at + ".Languages." + lang
		chain := languageChain(lang)
		if chain == nil {
			v.bad(at+".Languages", "has a key that is not a language such as es or es-MX")
			continue
		}
		if other, ok := seen[chain[0]]; ok {
			v.bad(field, "is the language of %s already", other)
			continue
		}
		seen[chain[0]] = "the key " + lang
		t := p.Languages[lang]
		v.prompts(field+".Prompts", p.Profile, lang, t.Prompts)
		if t.Text == "" {
			v.bad(field+".Text", "is missing: callers would get a text in %s; give one, or none on purpose (LiveDeflect then sends its standard welcome)", p.Language)
		}
		p.add(lang, t.Prompts, v.text(field+".Text", t.Text))
	}
}

func (v *checker) text(field, s string) *sms.Template {
	t, err := parseText(s)
	if err != nil {
		v.bad(field, "%w", err)
	}
	return t
}

// parseText reads the template of a text; none is the empty text.
func parseText(s string) (*sms.Template, error) {
	if s == None {
		s = ""
	}
	return sms.ParseTemplate(s)
}

// leaves takes the joined problems of rules apart.
func leaves(err error) (problems []*deflect.ConfigError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			var c *deflect.ConfigError
			if errors.As(e, &c) {
				problems = append(problems, c)
			}
		}
	}
	return problems
}
