package deflect

import (
	"errors"
	"net/http"
)

// setup is what a Client works by, until [Client.Reload] replaces it. It does not
// change.
type setup struct {
	Config
	root    string // URL of the API without a trailing slash
	rt      http.RoundTripper
	breaker breaker
	clock   *apiClock
}

// newSetup makes a setup of a valid Config with its defaults. A breaker whose
// settings stay the same goes on with what it knows.
func (c *Client) newSetup(cfg Config) *setup {
	s := &setup{Config: cfg, clock: &c.clock}
	s.root, _, _ = cfg.endpoint()
	s.rt = cfg.Auth.Transport(handoff{cfg.Transport})
	if old := c.setup.Load(); old != nil && old.Breaker == cfg.Breaker {
		s.breaker = old.breaker
	} else {
		s.breaker = newLocalBreaker(cfg.Breaker, cfg.Logger, func(to string) { c.metrics.transitions[to].Inc() })
	}
	return s
}

// Reload goes on with another configuration: keys, deadline, breaker, report,
// settling and NumberCheck. What the Client knows stays: cooldowns, uncertain deflections, metrics,
// and the state of a breaker whose settings are the same; another breaker begins
// closed. What is in progress ends as it began. Transport, MaxRequests,
// Logger, OnSettled, Registerer and Cooldowns stay as they were given to [New].
//
// The error lists every problem, see [Config.Validate]; the Client then goes on as
// before. SiteID, Domain and BaseURL cannot change, because what is uncertain belongs to the
// account; nor can DefaultRegion and MaxTextLength, by which a call in progress was offered its
// text (in another region its number could be a stranger's); nor can polling of the
// report be switched on or off. A smaller MaxCooldowns takes effect at once: the
// cooldowns that have the least time left end early, also those of texts that are just being
// sent. Of an embedder's own Cooldowns nothing is changed.
func (c *Client) Reload(cfg Config) error {
	if no := c.refuses(); no != nil {
		return no
	}
	c.reloading.Lock()
	defer c.reloading.Unlock()
	old := c.setup.Load()
	cfg.Transport, cfg.Logger, cfg.OnSettled = old.Transport, old.Logger, old.OnSettled
	cfg.Registerer, cfg.Cooldowns = old.Registerer, old.Cooldowns
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	if err := cfg.Follows(old.Config); err != nil {
		return err
	}
	c.setup.Store(c.newSetup(cfg))
	if c.live != nil {
		select {
		case c.live.changed <- struct{}{}:
		default:
		}
	}
	if own, ok := c.cooldowns.(*memoryCooldowns); ok {
		own.setMax(cfg.MaxCooldowns)
	}
	return nil
}

// Follows returns every setting that keeps a Client of the configuration old from
// going on with c, each a [*ConfigError], joined; nil when there is none.
func (c Config) Follows(old Config) error {
	c, old = c.withDefaults(), old.withDefaults()
	root, _, _ := c.endpoint()
	oldRoot, _, _ := old.endpoint()
	endpoint := "Domain"
	if c.BaseURL != "" {
		endpoint = "BaseURL"
	}
	var errs []error
	for _, s := range []struct {
		field   string
		changed bool
	}{
		{"SiteID", c.SiteID != old.SiteID},
		{endpoint, root != oldRoot},
		{"DefaultRegion", c.DefaultRegion != old.DefaultRegion},
		{"MaxTextLength", c.MaxTextLength != old.MaxTextLength},
		{"Report.Every", (c.Report.Every > 0) != (old.Report.Every > 0)},
	} {
		if s.changed {
			errs = append(errs, &ConfigError{Field: s.field, Err: errRestart})
		}
	}
	return errors.Join(errs...)
}
