package daemon

import (
	"cmp"
	"regexp"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// facts are what the page tells of one moment.
type facts struct {
	at, start time.Time
	build     Build
	*setting

	stopping, full bool
	calls          int
	unwritten      error             // why the journal is not written
	redis          string            // what callers miss while it is away
	away           []string          // switches
	breakers       map[string]string // states, by API; nil where they are not known apart

	gauges      map[what]float64
	bounds      map[string][]float64 // of histograms
	all, lately grown                // the last hour, the last minutes of it
	minutes     [60]grown            // the one that goes on last
}

// setting is what the page needs of a configuration.
type setting struct {
	apis      []string // that are spoken
	outbound  string
	most      int // calls
	openFor   time.Duration
	switches  []freeswitch.Switch
	profiles  []statusProfile
	dir       string // of the journal, "" without
	optional  bool
	redisAt   []string      // nil without
	local     bool          // when_away
	effective func() string // the configuration, made when somebody asks for it
}

// statusProfile is a profile, and what it cannot do without.
type statusProfile struct {
	name   string
	api    string
	policy *deflect.Policy
	redis  bool // while that is away, nobody is texted
	off    bool // percent: 0
}

func newSetting(f config.File, policies []*deflect.Policy, most int) *setting {
	s := &setting{
		outbound: f.OutboundListen, most: most, openFor: f.Deflect.Breaker.OpenFor, switches: f.FreeSWITCH.Inbound,
		dir: f.StateDir, optional: f.Deflect.JournalOptional, local: f.AwayLocal, effective: sync.OnceValue(func() string { return shownConfig(f) }),
	}
	for _, api := range []string{config.LiveDeflect, config.C2M} {
		if f.Speaks(api) {
			s.apis = append(s.apis, api)
		}
	}
	if f.Fleet != nil {
		s.redisAt = f.Fleet.Addresses
	}
	for i, p := range f.FreeSWITCH.Profiles {
		needs := f.OptOutSet(p.Name) != "" || !f.AwayLocal && (!p.NoCooldown || p.Budget != deflect.Budget{})
		s.profiles = append(s.profiles, statusProfile{p.Name, f.APIs[i], policies[i], f.Fleet != nil && needs, p.Withhold == 100})
	}
	return s
}

var (
	keysForm    = regexp.MustCompile(`(?m)^(\s*(?:consumer_key|token|client_id): ).*$`)
	numbersForm = regexp.MustCompile(`\+?[0-9(][0-9 ()-]{7,}[0-9]`)
)

// shownConfig is a configuration as people on the machine may see it who cannot read the
// file, and as it can be handed on as a picture: without keys, with masked numbers.
func shownConfig(f config.File) string {
	f.FreeSWITCH.Profiles = slices.Clone(f.FreeSWITCH.Profiles)
	for i := range f.FreeSWITCH.Profiles {
		p := &f.FreeSWITCH.Profiles[i]
		p.Dialed = slices.Clone(p.Dialed)
		for n := range p.Dialed {
			p.Dialed[n] = phone.Number(p.Dialed[n]).String()
		}
	}
	text := keysForm.ReplaceAllString(f.Effective(), "${1}\"[hidden]\"")
	return numbersForm.ReplaceAllStringFunc(text, func(s string) string {
		if len(digitsOf(s)) < 9 { // a date has eight
			return s
		}
		return phone.Number(s).String()
	})
}

// read takes in what the registry says now.
func (f *facts) read(families []*dto.MetricFamily) {
	f.gauges, f.bounds = map[what]float64{}, map[string][]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			k := what{name: family.GetName()}
			if l := m.GetLabel(); len(l) > 0 {
				k.label = l[0].GetValue()
			}
			switch {
			case m.GetGauge() != nil:
				f.gauges[k] = m.GetGauge().GetValue()
			case m.GetHistogram() != nil && f.bounds[k.name] == nil:
				for _, b := range m.GetHistogram().GetBucket() {
					f.bounds[k.name] = append(f.bounds[k.name], b.GetUpperBound())
				}
			}
		}
	}
}

// gauge is the value of one, 0 for one that is not there.
func (f *facts) gauge(name, label string) float64 { return f.gauges[what{name: name, label: label}] }

func outcomeIs(o deflect.Outcome) func(what) bool {
	return func(k what) bool { return k.outcome == string(o) }
}

func labelIs(label string) func(what) bool {
	return func(k what) bool { return k.label == label }
}

// outcomes counts calls with one of some outcomes.
func (g grown) outcomes(of ...deflect.Outcome) uint64 {
	return g.sum("deflect_outcomes_total", func(k what) bool { return slices.Contains(of, deflect.Outcome(k.outcome)) })
}

// byProfile counts calls that ended in a text, and those that asked for one in vain.
func (g grown) byProfile() (text, trouble map[string]uint64) {
	text, trouble = map[string]uint64{}, map[string]uint64{}
	for k, n := range g {
		if k.name != "deflect_outcomes_total" {
			continue
		}
		switch deflect.Outcome(k.outcome) {
		case deflect.Sent, deflect.Deferred:
			text[k.profile] += n
		case deflect.Failed, deflect.Uncertain:
			trouble[k.profile] += n
		}
	}
	return text, trouble
}

// breaker is the state of the one that is best off, of those by which callers are texted: as
// long as one is closed, some are offered a text.
func (f *facts) breaker() string {
	seen := map[string]bool{}
	for _, p := range f.profiles {
		if !p.off && f.breakers[p.api] != "" {
			seen[f.breakers[p.api]] = true
		}
	}
	if len(seen) == 0 { // they are not known apart, or nobody is texted
		for _, s := range []string{"closed", "half_open", "open"} {
			seen[s] = f.gauge("deflect_breaker_state", s) > 0
		}
	}
	for _, s := range []string{"closed", "half_open", "open"} {
		if seen[s] {
			return s
		}
	}
	return "closed"
}

// breakerOf is the state of that of an API. One by which nobody is texted has none yet.
func (f *facts) breakerOf(api string) string {
	if f.breakers == nil {
		return f.breaker()
	}
	return cmp.Or(f.breakers[api], "closed")
}
