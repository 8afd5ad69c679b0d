package deflect

import "errors"

// setup is what a Client works by, until [Client.Reload] replaces it. It does not
// change.
type setup struct {
	Config
	breaker  breaker
	policies map[string]*Policy // by their names
}

// newSetup makes a setup of a valid Config with its defaults. A breaker whose
// settings stay the same goes on with what it knows.
func (c *Client) newSetup(cfg Config) *setup {
	s := &setup{Config: cfg, policies: map[string]*Policy{}}
	for _, p := range cfg.Policies {
		s.policies[p.name] = p
	}
	c.metrics.know(cfg.Policies)
	if old := c.setup.Load(); old != nil && old.Breaker == cfg.Breaker {
		s.breaker = old.breaker
	} else {
		s.breaker = newLocalBreaker(cfg.Breaker, cfg.Logger, func(to string) { c.metrics.transitions[to].Inc() }, func() {
			if cfg.Warnings != nil {
				cfg.Warnings.Warn(cfg.Breaker.OpenFor)
			}
		})
	}
	return s
}

// Reload goes on with another configuration: deadline, breaker, settling, NumberCheck,
// Remember, JournalOptional and Policies (texts that wait by one that is not among them are
// dropped at their time). What the Client knows stays: cooldowns, places in budgets, uncertain
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
	if next.breaker != old.breaker && old.breaker.state() != "closed" {
		c.metrics.transitions["closed"].Inc()
		cfg.Logger.Info("breaker moved", "to", "closed")
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
	return errors.Join(errs...)
}
