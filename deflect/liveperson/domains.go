package liveperson

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// domainAPI is LivePerson's Domain API: it tells the host of a service for an account, asks
// for no credentials, and may be asked once a day.
const (
	domainAPI   = "https://api.liveperson.net"
	domainPath  = "/api/account/%s/service/%s/baseURI.json?version=1.0"
	domainFresh = 24 * time.Hour
)

const callDomain = "domain"

const serviceSentinel = "sentinel"

// DomainsConfig says for which account hosts are asked. Account is required.
type DomainsConfig struct {
	Account string // LivePerson account id
	// URL is that of the Domain API, https, or http to a loopback address:
	// https://api.liveperson.net.
	URL string
	// Store keeps what was told, for a start at which nobody tells; nil keeps nothing.
	Store Store
	// Transport replaces the HTTP transport; nil is one of its own.
	Transport http.RoundTripper
	// Logger gets a line when a host changes, and when it cannot be asked for; nil discards.
	Logger *slog.Logger
}

// Store keeps the last answers of the Domain API. Save is called by one goroutine at a time.
type Store interface {
	Load() []byte // what was saved last; nil when nothing was, or it cannot be read
	Save([]byte) error
}

// Domains knows on which hosts the services of an account are, from LivePerson's Domain API
// (service names such as connectToMessagingDomain, sentinel, agentVep). What it was told is
// used for a day, then asked for again beside those who want it, and used on for as long as
// nobody tells otherwise. It is safe for concurrent use.
//
// Credentials and callers' numbers go to these hosts: only those in LivePerson's own domains
// are believed, and, of a Domain API on a loopback address, which is a double, loopback
// addresses too.
type Domains struct {
	cfg    DomainsConfig
	root   string // of the Domain API
	scheme string // of what a double tells; "" for the vendor's
	rt     http.RoundTripper
	meter

	mu     sync.Mutex
	hosts  map[string]*source[string] // by service
	saving sync.Mutex
	kept   map[string]toldHost // of the Store
}

// NewDomains returns a Domains, and an error, a [*deflect.ConfigError] a field, when the
// configuration is wrong. It does not touch the network.
func NewDomains(cfg DomainsConfig) (*Domains, error) {
	var errs []error
	if !wire.IsAccount(cfg.Account) {
		errs = append(errs, &deflect.ConfigError{Field: "Account", Err: errors.New("is not an account id (letters and digits)")})
	}
	root, err := wire.Root(cmp.Or(cfg.URL, domainAPI))
	if err != nil {
		errs = append(errs, &deflect.ConfigError{Field: "URL", Err: err})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Domains{cfg: cfg, root: root, rt: cfg.Transport, hosts: map[string]*source[string]{}, kept: map[string]toldHost{}}
	if u, err := url.Parse(root); err == nil && wire.Loopback(u.Hostname()) {
		d.scheme = u.Scheme
	}
	if d.rt == nil {
		t := NewTransport()
		t.DisableKeepAlives = true // it is asked once a day
		d.rt = t
	}
	d.load()
	return d, nil
}

// Calls names its requests, as [deflect.Meter] has it: "domain".
func (d *Domains) Calls() []string { return []string{callDomain} }

// same reports whether both tell the same.
func (d *Domains) same(other *Domains) bool {
	return d == other || d != nil && other != nil && d.cfg.Account == other.cfg.Account && d.root == other.root
}

// Host returns the host of a service, such as va.sentinel.liveperson.net; that of a double
// may have a port. It waits for it as long as ctx allows when nobody has told yet.
func (d *Domains) Host(ctx context.Context, service string) (string, error) {
	if !serviceForm.MatchString(service) {
		return "", errors.New("the name of a service has letters and digits")
	}
	h, _, err := d.source(service).get(ctx, nil, func(ctx context.Context) (*held[string], error) { return d.ask(ctx, service) })
	if err == errSlow {
		err = errors.New("the Domain API has not answered in time; look at what is on the way to it")
	}
	if err != nil {
		return "", fmt.Errorf("the host of LivePerson's service %s is not known, and not configured: %w", service, err)
	}
	return h.value, nil
}

// Root is Host as a URL without a slash at its end.
func (d *Domains) Root(ctx context.Context, service string) (string, error) {
	host, err := d.Host(ctx, service)
	if err != nil {
		return "", err
	}
	return d.rootOf(host), nil
}

func (d *Domains) rootOf(host string) string {
	if d.scheme != "" && !ofVendor(host) {
		return d.scheme + "://" + host
	}
	return "https://" + host
}

// Region returns the label of the account's region in the host of a service: va (North
// America), lo (EMEA) or sy (APAC), which newer hosts call z1, z2 and z3.
func (d *Domains) Region(ctx context.Context, service string) (string, error) {
	host, err := d.Host(ctx, service)
	if err != nil {
		return "", err
	}
	region := regionOf(host)
	if region == "" {
		return "", fmt.Errorf("the Domain API tells a host of LivePerson's service %s that is in no region that is known: configure the address", service)
	}
	return region, nil
}

// Near returns the URL of what the Domain API does not tell: {region}.{name}.liveperson.net,
// in the region of a service. A double that is in the place of that service is in this one's
// too.
func (d *Domains) Near(ctx context.Context, service, name string) (string, error) {
	host, err := d.Host(ctx, service)
	if err != nil {
		return "", err
	}
	if !ofVendor(host) {
		return d.rootOf(host), nil
	}
	region, err := d.Region(ctx, service)
	if err != nil {
		return "", err
	}
	return "https://" + region + "." + name + ".liveperson.net", nil
}

func (d *Domains) source(service string) *source[string] {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.hosts[service]
	if s == nil {
		s = &source[string]{}
		d.hosts[service] = s
	}
	return s
}

// ask asks the Domain API, and has the answer kept.
func (d *Domains) ask(ctx context.Context, service string) (*held[string], error) {
	reason := deflect.ReasonInternal
	defer func() { d.count(callDomain, reason) }()
	known, _ := d.source(service).last()
	asked := time.Now()
	var host string
	var err error
	host, reason, err = d.exchange(ctx, service)
	if err != nil {
		if known != nil {
			d.cfg.Logger.Warn("host of a service cannot be asked for, the last one stays in use", "service", service, "err", err)
		}
		return nil, err
	}
	if known != nil && known.value != host {
		d.cfg.Logger.Info("host of a service changed", "service", service)
	}
	h := hold(host, asked, domainFresh, 0)
	d.save(service, h)
	return h, nil
}

func (d *Domains) exchange(ctx context.Context, service string) (string, deflect.Reason, error) {
	const who = "the Domain API"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.root+fmt.Sprintf(domainPath, d.cfg.Account, service), nil)
	if err != nil {
		return "", deflect.ReasonInternal, err
	}
	status, body, err := exchange(d.rt, req)
	if r, why := unanswered(ctx, who, err); r != "" {
		return "", r, why
	}
	if r, why := unasked(status, who); why != nil {
		return "", r, why
	}
	if status >= 400 {
		return "", deflect.ReasonRejected, fmt.Errorf("%s knows no such service for the account (HTTP %d): check the account id", who, status)
	}
	var host string
	if err == nil {
		host, err = d.readHost(body, service)
	}
	if err != nil {
		return "", deflect.ReasonBadResponse, fmt.Errorf("%s: %w: check its address, and proxies on the way", who, err)
	}
	return host, deflect.ReasonOK, nil
}

// readHost reads an answer: {"service":"...","account":"...","baseURI":"host"}.
func (d *Domains) readHost(body []byte, service string) (string, error) {
	var a struct {
		Service jsontext.Value `json:"service"`
		Account jsontext.Value `json:"account"`
		Host    jsontext.Value `json:"baseURI"`
	}
	if err := json.Unmarshal(body, &a, wire.AnswerOptions); err != nil {
		return "", errors.New("the answer is no JSON object")
	}
	if s := wire.Scalar(a.Service); s != "" && s != service {
		return "", errors.New("the answer is about another service")
	}
	if s := wire.Scalar(a.Account); s != "" && s != d.cfg.Account {
		return "", errors.New("the answer is about another account")
	}
	host := strings.ToLower(wire.Scalar(a.Host))
	if !d.believes(host) {
		return "", errors.New("the answer has no host of LivePerson's")
	}
	return host, nil
}

var (
	serviceForm = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	hostForm    = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.){2,8}[a-z]{2,16}$`)
)

// believes reports whether requests may go to a host that was told.
func (d *Domains) believes(host string) bool {
	if hostForm.MatchString(host) && ofVendor(host) {
		return true
	}
	if d.scheme == "" || strings.Contains(host, "/") {
		return false
	}
	root, err := wire.Root(d.scheme + "://" + host)
	u, parseErr := url.Parse(root)
	return err == nil && parseErr == nil && wire.Loopback(u.Hostname())
}

// ofVendor reports whether a host is in one of LivePerson's domains.
func ofVendor(host string) bool {
	host = "." + strings.ToLower(strings.TrimSuffix(host, "."))
	for _, domain := range []string{".liveperson.net", ".liveperson.com", ".lpsnmedia.net"} {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

var regionForm = regexp.MustCompile(`^(va|lo|sy|z1|z2|z3)(-[a-z0-9]{1,8})?$`)

// regionOf returns the region that a host names, mostly in its first label; "" when none.
func regionOf(host string) string {
	for label := range strings.SplitSeq(host, ".") {
		if m := regionForm.FindStringSubmatch(label); m != nil {
			newer := map[string]string{"z1": "va", "z2": "lo", "z3": "sy"}
			return cmp.Or(newer[m[1]], m[1]) + m[2]
		}
	}
	return ""
}
