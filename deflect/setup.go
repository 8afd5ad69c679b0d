package deflect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// setup is what a Client works by, until [Client.Reload] replaces it: one for each backend,
// which have all but that in common. It does not change.
type setup struct {
	Config           // Backend is the one that this is of
	name      string // of Backend
	asker     Asker  // nil when it need not be asked before an offer
	teller    Teller // nil when it cannot tell what became of a text
	breaker   breaker
	invites   *callMetrics
	questions *callMetrics // of asker
	*common
}

// common is what the setups of all backends have.
type common struct {
	policies map[string]*Policy // by their names
	setups   []*setup           // the first is that of the Config's own Backend
	byPolicy map[string]*setup  // of policies that have another backend, by their names
}

// of returns the setup of a policy.
func (s *setup) of(policy string) *setup {
	if own := s.byPolicy[policy]; own != nil {
		return own
	}
	return s.setups[0]
}

// named returns the setup of a backend, nil when there is none of the name.
func (s *setup) named(backend string) *setup {
	for _, one := range s.setups {
		if one.name == backend {
			return one
		}
	}
	return nil
}

// newSetup makes a setup of a valid Config with its defaults. A breaker whose
// settings stay the same goes on with what it knows.
func (c *Client) newSetup(cfg Config) *setup {
	all := &common{policies: map[string]*Policy{}, byPolicy: map[string]*setup{}}
	for _, p := range cfg.Policies {
		all.policies[p.name] = p
	}
	c.metrics.know(cfg.Policies)
	add := func(b Backend) *setup {
		s := &setup{Config: cfg, name: b.Name(), common: all}
		if known := s.named(s.name); known != nil {
			return known
		}
		s.Backend, s.invites = b, c.metrics.call("invite")
		if asker, is := b.(Asker); is {
			s.asker, s.questions = asker, c.metrics.call("eligibility")
		}
		s.teller, _ = b.(Teller)
		if m, is := b.(Meter); is {
			c.metrics.listen(m)
		}
		s.breaker = c.breakerOf(s)
		all.setups = append(all.setups, s)
		return s
	}
	add(cfg.Backend)
	for _, policy := range slices.Sorted(maps.Keys(cfg.Backends)) {
		all.byPolicy[policy] = add(cfg.Backends[policy])
	}
	return all.setups[0]
}

// breakerOf returns the breaker of a new setup.
func (c *Client) breakerOf(s *setup) breaker {
	if old := c.setup.Load(); old != nil && old.Breaker == s.Breaker {
		if before := old.named(s.name); before != nil {
			return before.breaker
		}
	}
	warnings := c.warningsOf(s)
	return newLocalBreaker(s.Breaker, s.name, s.Logger, func(to string) { c.metrics.transitions[to].Inc() }, func() {
		if warnings != nil {
			warnings.Warn(s.Breaker.OpenFor)
		}
	})
}

// warningsOf returns the warnings of a backend, nil when it has none.
func (c *Client) warningsOf(s *setup) Warnings {
	if w, known := c.warnings[s.name]; known || s.Warnings == nil {
		return w
	}
	if store, is := s.Warnings.(interface{ Of(api string) Warnings }); is {
		c.warnings[s.name] = store.Of(s.name)
	} else if len(s.setups) == 0 { // it is the first one
		c.warnings[s.name] = s.Warnings
	}
	return c.warnings[s.name]
}

// hearWarnings lets the breakers of a setup hear of others.
func (c *Client) hearWarnings(s *setup) {
	for _, of := range s.setups {
		if w := c.warnings[of.name]; w != nil {
			w.OnWarned(func() { c.today(of).breaker.warned() })
		}
	}
}

// Reload goes on with another configuration: deadline, breaker, settling, NumberCheck,
// Remember, JournalOptional, Policies (texts that wait by one that is not among them are
// dropped at their time) and Backends, of which one that was there stays the same. What the Client knows stays: cooldowns, places in budgets, uncertain
// deflections, metrics, and the state of a breaker whose settings are the same; another
// breaker begins closed. What is in progress ends as it began. Backend, MaxRequests, Logger,
// OnSettled, Trace, Registerer, Cooldowns, Budgets, Warnings and Journal stay as they were
// given to [New].
//
// The error lists every problem, see [Config.Validate]; the Client then goes on as
// before. DefaultRegion and MaxTextLength cannot change, by which a call in progress was
// offered its text (in another region its number could be a stranger's). A smaller
// MaxCooldowns takes effect at once: the
// cooldowns that have the least time left end early, also those of texts that are just being
// sent. Of an embedder's own Cooldowns nothing is changed.
func (c *Client) Reload(cfg Config) error {
	if no := c.refuses(); no != nil {
		return no
	}
	c.reloading.Lock()
	defer c.reloading.Unlock()
	old := c.setup.Load()
	cfg.Backend, cfg.Logger, cfg.OnSettled = old.Backend, old.Logger, old.OnSettled
	cfg.Registerer, cfg.Cooldowns, cfg.Journal = old.Registerer, old.Cooldowns, old.Journal
	cfg.Budgets, cfg.Warnings, cfg.Trace = old.Budgets, old.Warnings, old.Trace
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	if err := cfg.Follows(old.Config); err != nil {
		return err
	}
	next := c.newSetup(cfg)
	c.setup.Store(next)
	c.hearWarnings(next)
	for _, before := range old.setups {
		if now := next.named(before.name); now != nil && now.breaker != before.breaker && before.breaker.state() != "closed" {
			c.metrics.transitions["closed"].Inc()
			cfg.Logger.Info("breaker moved", "to", "closed", "api", now.name)
		}
	}
	if store, is := c.cooldowns.(interface{ SetMaxCooldowns(int) }); is {
		store.SetMaxCooldowns(cfg.MaxCooldowns)
	}
	if own, is := c.journal.(*memoryJournal); is {
		own.setMax(cfg.MaxCooldowns)
	}
	return nil
}

// Follows returns every setting that keeps a Client of the configuration old from
// going on with c, each a [*ConfigError], joined; nil when there is none.
func (c Config) Follows(old Config) error {
	c, old = c.withDefaults(), old.withDefaults()
	var errs []error
	if c.DefaultRegion != old.DefaultRegion {
		errs = append(errs, &ConfigError{Field: "DefaultRegion", Err: ErrRestart})
	}
	if c.MaxTextLength != old.MaxTextLength {
		errs = append(errs, &ConfigError{Field: "MaxTextLength", Err: ErrRestart})
	}
	before := map[string]Backend{}
	for _, b := range append(slices.Collect(maps.Values(old.Backends)), old.Backend) {
		if b != nil {
			before[b.Name()] = b
		}
	}
	for _, policy := range slices.Sorted(maps.Keys(c.Backends)) {
		if b := c.Backends[policy]; b != nil && before[b.Name()] != nil && !sameBackend(b, before[b.Name()]) {
			errs = append(errs, &ConfigError{Field: fmt.Sprintf("Backends[%q]", policy), Err: ErrRestart})
		}
	}
	return errors.Join(errs...)
}
