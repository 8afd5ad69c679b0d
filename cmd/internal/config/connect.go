package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// finishAPIs makes what the sections of the APIs say ready for their packages.
func (f *File) finishAPIs(d *decoder, src source) {
	if len(f.apis()) == 0 {
		d.bad("", 1, "has neither livedeflect nor c2m: one of them says which API sends the texts, and for which account")
		return
	}
	if d.lines["c2m.eligibility_deadline"] == 0 {
		f.Deflect.AskDeadline = min(f.Deflect.AskDeadline, f.Deflect.LiveDeadline)
	}
	if f.Speaks(LiveDeflect) {
		f.LiveDeflect.Auth = f.authenticate(d, src, LiveDeflect, f.LiveDeflect.SiteID)
	}
	if f.Speaks(C2M) {
		cfg := f.c2m
		cfg.Channels = slices.Clone(cfg.Channels)
		cfg.Auth = f.authenticate(d, src, C2M, cfg.Account)
		if is, _ := cfg.Auth.(*liveperson.OAuth2); is != nil {
			cfg.Auth = liveperson.Kept(f.LiveDeflect.Auth, is) // one token for both
		}
		f.C2M = &cfg
	}
}

// authenticate is what lets requests of an API in.
func (f *File) authenticate(d *decoder, src source, api, account string) liveperson.Authenticator {
	a, at := f.access(api), api+"."
	signed, bearer := []string{"consumer_key", "consumer_secret_file", "token", "token_secret_file"}, []string{"client_id", "client_secret_file", "sentinel_url"}
	unused, way, other := bearer, "oauth1", "oauth2"
	if a.bearer {
		unused, way, other = signed, other, way
	}
	for _, key := range unused {
		if d.lines[at+key] > 0 {
			d.badAt(at+key, "is of auth: %s, and auth is %s: remove it, or write auth: %s", other, way, other)
		}
	}
	if !a.bearer {
		return a.keys(d, src, at)
	}
	auth := a.client(d, src, at)
	auth.Account = account
	return auth
}

// auths are what lets requests in, of each API.
func (f File) auths() []liveperson.Authenticator {
	all := []liveperson.Authenticator{f.LiveDeflect.Auth}
	if f.C2M != nil {
		all = append(all, f.C2M.Auth)
	}
	return all
}

// account is that of an API.
func (f *File) account(api string) string {
	if api == C2M {
		return f.c2m.Account
	}
	return f.LiveDeflect.SiteID
}

// asking are the APIs of which hosts are asked for.
func (f *File) asking() []string {
	return slices.DeleteFunc(f.apis(), func(api string) bool {
		host := f.c2m.BaseURL
		if api == LiveDeflect {
			host = f.LiveDeflect.Domain + f.LiveDeflect.BaseURL
		}
		a := f.access(api)
		shifts := f.Shifts != nil && f.Shifts.URL == "" && api == f.tokens()
		return host != "" && !(a.bearer && a.sentinelURL == "") && !shifts
	})
}

// askDomains says whom to ask for the hosts that the file does not name, nil where it names
// all of them.
func (f *File) askDomains() *liveperson.DomainsConfig {
	asking := f.asking()
	if len(asking) == 0 {
		return nil
	}
	return &liveperson.DomainsConfig{Account: f.account(asking[0]), URL: f.hosts.domain}
}

// WithDomains returns f with who was made of Domains, which tells it hosts of the account.
func (f File) WithDomains(domains *liveperson.Domains) File {
	asking := func(auth liveperson.Authenticator) liveperson.Authenticator {
		a, _ := auth.(*liveperson.OAuth2)
		if a == nil || a.URL != "" {
			return auth
		}
		return &liveperson.OAuth2{Account: a.Account, ClientID: a.ClientID, ClientSecret: a.ClientSecret, Domains: domains}
	}
	f.LiveDeflect.Auth = asking(f.LiveDeflect.Auth)
	if f.Speaks(LiveDeflect) && f.LiveDeflect.Domain == "" && f.LiveDeflect.BaseURL == "" {
		f.LiveDeflect.Domains = domains
	}
	if f.C2M != nil {
		cfg := *f.C2M
		cfg.Domains = domains
		cfg.Auth = liveperson.Kept(f.LiveDeflect.Auth, asking(cfg.Auth))
		f.C2M = &cfg
	}
	if f.Shifts != nil {
		cfg := *f.Shifts
		cfg.Domains = domains
		cfg.Auth = asking(cfg.Auth)
		for _, auth := range f.auths() {
			cfg.Auth = liveperson.Kept(auth, cfg.Auth)
		}
		f.Shifts = &cfg
	}
	return f
}

// checkAPIs is about what the sections of the APIs say beyond what their packages check.
func (f *File) checkAPIs(d *decoder) {
	f.checkEndpoint(d)
	for _, u := range []struct{ at, url string }{
		{"livedeflect.sentinel_url", f.secrets.live.sentinelURL}, {"livedeflect.domain_url", f.hosts.domain},
		{"c2m.sentinel_url", f.secrets.c2m.sentinelURL}, {"c2m.domain_url", f.hosts.domain},
		{"c2m.shift_status_url", f.hosts.shiftStatus},
	} {
		if u.url == "" || d.lines[u.at] == 0 || d.blames(u.at) {
			continue
		}
		if err := checkURL(u.url); err != nil {
			d.badAt(u.at, "%s", err)
		}
	}
	if len(f.asking()) > 1 && f.LiveDeflect.SiteID != f.c2m.Account && !d.blames("c2m.account") {
		d.badAt("c2m.account", "is another one than livedeflect.site_id, and hosts are asked for of one account only: give the URLs of one of them (base_url, sentinel_url)")
	}
	const at = "c2m.eligibility_deadline"
	if wait, most := f.Deflect.AskDeadline, f.Deflect.LiveDeadline; wait > most && !d.blames(at) {
		d.badAt(at, "is %s; must not be longer than live_deadline (%s)", wait, most)
	}
	if f.Speaks(C2M) && f.Deflect.MaxTextLength > maxC2MText {
		d.badAt(f.place("max_text_length", d), "is %d; at most %d with c2m, which takes no longer text", f.Deflect.MaxTextLength, maxC2MText)
	}
}

// maxC2MText is the longest text that the API takes.
const maxC2MText = 1600

// checkURL says what is wrong with a URL, as it is said of those of the APIs.
func checkURL(u string) error {
	cfg := c2m.Config{Account: "1", BaseURL: u, Auth: anyToken}
	for _, err := range leaves(cfg.Validate()) {
		if c := (*deflect.ConfigError)(nil); errors.As(err, &c) && c.Field == "BaseURL" {
			return c.Err
		}
	}
	return nil
}

// anyToken stands in for credentials that are checked by their keys.
var anyToken = &liveperson.OAuth2{Account: "1", ClientID: "1", ClientSecret: deflect.NewSecret("1"), URL: "https://127.0.0.1"}

// noDomains stands in for who is asked later.
var noDomains = &liveperson.Domains{}

// validateAPIs checks what the packages of the APIs know of.
func (f *File) validateAPIs() error {
	var errs []error
	if f.Speaks(LiveDeflect) {
		cfg := f.LiveDeflect
		if f.secrets.live.bearer {
			cfg.Auth = anyToken
		}
		if cfg.Domain == "" && cfg.BaseURL == "" {
			cfg.Domains = noDomains
		}
		errs = append(errs, inSection("LiveDeflect", cfg.Validate()))
	} else { // report is a section of its own
		errs = append(errs, livedeflect.Config{SiteID: "1", Domain: "va", Auth: anyToken, Report: f.LiveDeflect.Report}.Validate())
	}
	if f.C2M != nil {
		cfg := *f.C2M
		cfg.Domains = noDomains
		if f.secrets.c2m.bearer {
			cfg.Auth = anyToken
		}
		errs = append(errs, inSection("C2M", cfg.Validate()))
	}
	return errors.Join(errs...)
}

// inSection names the fields of an API so that they are found among the keys.
func inSection(section string, err error) error {
	var errs []error
	for _, err := range leaves(err) {
		if c := (*deflect.ConfigError)(nil); errors.As(err, &c) && !strings.HasPrefix(c.Field, "Report.") {
			err = &deflect.ConfigError{Field: section + "." + c.Field, Err: c.Err}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// inAPI is inSection for those fields of the engine that stand in the section of an API.
func (f *File) inAPI(d *decoder, err error) error {
	var errs []error
	for _, err := range leaves(err) {
		if c := (*deflect.ConfigError)(nil); errors.As(err, &c) {
			switch key := keys[c.Field]; key {
			case "live_deadline", "max_text_length", "eligibility_deadline":
				section, _, _ := strings.Cut(f.place(key, d), ".")
				err = inSection(map[string]string{LiveDeflect: "LiveDeflect", C2M: "C2M"}[section], err)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// place is the path of a key that both APIs have: where it stands, else where it could.
func (f *File) place(key string, d *decoder) string {
	for _, api := range f.apis() {
		if d.lines[api+"."+key] > 0 {
			return api + "." + key
		}
	}
	return f.API() + "." + key
}
