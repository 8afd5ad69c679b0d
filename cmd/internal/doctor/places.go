package doctor

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// place is one host of LivePerson's that a deflectd speaks to.
type place struct {
	key    string // of the configuration, that names it
	root   string // its URL
	signed bool   // requests to it hold the time
}

func (p place) host() string {
	u, err := url.Parse(p.root)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// places are where a deflectd finds LivePerson.
type places struct {
	all    []place
	asked  int     // services of the Domain API
	silent []error // what it did not tell
	kept   bool    // and a deflectd was told before
}

// findPlaces asks the Domain API for those that the configuration does not name.
func (e *exam) findPlaces(ctx context.Context) (found places) {
	if !e.loaded {
		return found
	}
	ctx, cancel := context.WithTimeout(ctx, longest-2*time.Second)
	defer cancel()
	file := e.file
	var domains, before *liveperson.Domains
	if file.Domains != nil {
		t := e.transport()
		defer t.CloseIdleConnections()
		cfg := *file.Domains
		cfg.Transport = t
		domains, _ = liveperson.NewDomains(cfg)
		if file.StateDir != "" {
			cfg.Store, cfg.Transport = keptHosts(file.StateDir), offline{}
			before, _ = liveperson.NewDomains(cfg)
		}
	}
	add := func(p place, told func(context.Context, *liveperson.Domains) (string, error)) {
		if p.root == "" && domains != nil {
			found.asked++
			root, err := told(ctx, domains)
			if err != nil {
				found.silent = append(found.silent, err)
				if before != nil {
					root, err = told(ctx, before)
					found.kept = err == nil && (found.kept || len(found.silent) == 1)
				}
			}
			p.root = root
		}
		if p.root != "" {
			found.add(p)
		}
	}
	service := func(name string) func(context.Context, *liveperson.Domains) (string, error) {
		return func(ctx context.Context, d *liveperson.Domains) (string, error) { return d.Root(ctx, name) }
	}
	near := func(of, name string) func(context.Context, *liveperson.Domains) (string, error) {
		return func(ctx context.Context, d *liveperson.Domains) (string, error) { return d.Near(ctx, of, name) }
	}
	sentinel := func(auth liveperson.Authenticator, section string) {
		if a, bearer := auth.(*liveperson.OAuth2); bearer {
			add(place{key: section + ".sentinel_url", root: a.URL}, service("sentinel"))
		}
	}
	if file.Speaks(config.LiveDeflect) {
		root, _ := file.LiveDeflect.URL()
		_, bearer := file.LiveDeflect.Auth.(*liveperson.OAuth2)
		add(place{key: "livedeflect.base_url", root: root, signed: !bearer}, near("agentVep", "ivrdeflect"))
		sentinel(file.LiveDeflect.Auth, config.LiveDeflect)
	}
	if file.Speaks(config.C2M) {
		cfg := file.C2M
		_, bearer := cfg.Auth.(*liveperson.OAuth2)
		add(place{key: "c2m.base_url", root: cfg.BaseURL, signed: !bearer}, service("connectToMessagingDomain"))
		sentinel(cfg.Auth, config.C2M)
		report := cfg.ReportingURL
		if report == "" && cfg.BaseURL != "" {
			report = strings.Replace(cfg.BaseURL, ".connect-to-messaging.", ".cx-reporting.", 1)
		}
		add(place{key: "c2m.reporting_url", root: report, signed: !bearer}, near("connectToMessagingDomain", "cx-reporting"))
	}
	if file.Shifts != nil {
		add(place{key: "c2m.shift_status_url", root: file.Shifts.URL}, service("shiftstatus"))
	}
	return found
}

// add adds one, unless it is where another is.
func (p *places) add(one place) {
	one.root = strings.TrimSuffix(one.root, "/")
	for i, other := range p.all {
		if other.root == one.root {
			p.all[i].signed = other.signed || one.signed
			return
		}
	}
	p.all = append(p.all, one)
}

// visits visits all places at the same time.
func (e *exam) visits(ctx context.Context) []visit {
	all := e.places().all
	of := make([]visit, len(all))
	var visiting sync.WaitGroup
	for i, p := range all {
		visiting.Go(func() { of[i] = e.visitPlace(ctx, p) })
	}
	visiting.Wait()
	return of
}

// told is about the Domain API. Nothing is said of one that nobody asks.
func (e *exam) told(context.Context) []Finding {
	if !e.loaded {
		return e.unread()
	}
	if e.file.Domains == nil {
		return nil
	}
	p := e.places()
	if len(p.silent) == 0 {
		hosts := map[string]bool{}
		for _, one := range p.all {
			hosts[one.host()] = true
		}
		return good("the Domain API tells %s of the account, on %s", plural(p.asked, "host"), plural(len(hosts), "machine"))
	}
	do := "check the account id, and let this machine out to the Domain API (" + e.domainAPI() + "); or name the hosts in the configuration (base_url, sentinel_url, reporting_url)"
	if p.kept {
		return warning(do, "the Domain API does not tell the hosts, and deflectd goes by what it was told before: %v", p.silent[0])
	}
	return bad(do, "the Domain API does not tell the hosts of the account: %v", p.silent[0])
}

func (e *exam) domainAPI() string {
	if url := e.file.Domains.URL; url != "" {
		return url
	}
	return "https://api.liveperson.net"
}

// keptHosts are those that a deflectd was told, in its folder.
type keptHosts string

func (keptHosts) Save([]byte) error { return nil }

func (dir keptHosts) Load() []byte {
	content, _ := journal.LoadHosts(string(dir))
	return content
}

// offline sends nothing.
type offline struct{}

func (offline) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrAbortHandler }
