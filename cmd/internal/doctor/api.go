package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// visit is what an unsigned request to the API, which asks for nothing, has shown.
type visit struct {
	err          error
	proxy        string // its host, "" without
	status       int
	date         string
	asked, heard time.Time
	tls          *tls.ConnectionState // nil over plain HTTP
}

// transport is the one that a deflectd has.
func (e *exam) transport() *http.Transport {
	t := liveperson.NewTransport()
	t.TLSClientConfig.RootCAs = e.RootCAs
	return t
}

func (e *exam) visitAPI(ctx context.Context) (v visit) {
	ctx, cancel := context.WithTimeout(ctx, longest-time.Second)
	defer cancel()
	t := e.transport()
	defer t.CloseIdleConnections()
	root, err := e.file.LiveDeflect.URL()
	if err != nil {
		return visit{err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, root+"/", nil)
	if err != nil {
		return visit{err: err}
	}
	if proxy, err := t.Proxy(req); err == nil && proxy != nil {
		v.proxy = proxy.Host
	}
	v.asked = time.Now()
	resp, err := t.RoundTrip(req)
	v.heard, v.err = time.Now(), err
	if err != nil {
		return v
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	v.status, v.date, v.tls = resp.StatusCode, resp.Header.Get("Date"), resp.TLS
	return v
}

// host is the API's.
func (e *exam) host() string {
	root, _ := e.file.LiveDeflect.URL()
	u, err := url.Parse(root)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// names is about the addresses of all that is dialled by name.
func (e *exam) names(ctx context.Context) (found []Finding) {
	if !e.loaded {
		return e.unread()
	}
	const slow = time.Second
	told, seen := []string{}, map[string]bool{}
	for _, host := range e.hosts() {
		if _, err := netip.ParseAddr(host); err == nil || host == "" || seen[host] {
			continue
		}
		seen[host] = true
		began := time.Now()
		addrs, err := e.Lookup(ctx, host)
		switch took := time.Since(began); {
		case err != nil || len(addrs) == 0:
			do := fmt.Sprintf("correct the name in %s, or let this machine find it: getent hosts %s", e.Config, host)
			found = append(found, bad(do, "%s is not found: %s", host, lookupCause(err))...)
		case took > slow:
			do := "look at the name servers in /etc/resolv.conf: the first one may not answer"
			found = append(found, warning(do, "looking up %s took %s, while a caller waits", host, took.Round(100*time.Millisecond))...)
		default:
			told = append(told, fmt.Sprintf("%s (%s)", host, plural(len(addrs), "IP")))
		}
	}
	if len(found) > 0 {
		return found
	}
	if len(told) == 0 {
		return good("no name has to be looked up")
	}
	return good("%s", strings.Join(told, ", "))
}

// hosts are those that a deflectd dials: the API, or the proxy before it, switches, Redis.
func (e *exam) hosts() []string {
	hosts := []string{e.host()}
	root, _ := e.file.LiveDeflect.URL()
	if req, err := http.NewRequest(http.MethodGet, root, nil); err == nil {
		if proxy, err := http.ProxyFromEnvironment(req); err == nil && proxy != nil {
			hosts[0] = proxy.Hostname()
		}
	}
	for _, sw := range e.named() {
		hosts = append(hosts, hostOf(sw.Address))
	}
	if e.file.Fleet != nil {
		for _, addr := range e.file.Fleet.Addresses {
			hosts = append(hosts, hostOf(addr))
		}
	}
	return hosts
}

func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// lookupCause leaves out the server that was asked.
func lookupCause(err error) string {
	if d, ok := errors.AsType[*net.DNSError](err); ok {
		return d.Err
	}
	if err == nil {
		return "it has no address"
	}
	return err.Error()
}

// reach is about the way to the API.
func (e *exam) reach(context.Context) []Finding {
	if !e.loaded {
		return e.unread()
	}
	v := e.visit()
	at, _ := e.file.LiveDeflect.URL()
	through := ""
	if v.proxy != "" {
		through = " through the proxy " + v.proxy
	}
	if _, isTLS := certificateError(v.err); v.err == nil || isTLS {
		return good("%s answers%s", at, through)
	}
	do := "open the way: a firewall may have to let this machine out to it"
	switch dns, isDNS := errors.AsType[*net.DNSError](v.err); {
	case isDNS && v.proxy == "":
		return skipped("mend the name first", "%s has no address: %s", e.host(), dns.Err)
	case v.proxy != "":
		do = "mend the proxy, or take it away: HTTPS_PROXY and NO_PROXY in the environment of deflectd say which one it takes"
	case isTLSTrouble(v.err):
		do = "look for what answers in its place: it speaks no TLS 1.2 or newer"
	case loopbackName(e.host()):
		do = "start what listens there (a simulator: deflectctl simulate livedeflect), or correct livedeflect.base_url"
	}
	return bad(do, "%s does not answer%s: %s", at, through, netCause(v.err))
}

func loopbackName(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func isTLSTrouble(err error) bool {
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	return record || alert
}

// netCause says why in few words.
func netCause(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return "nothing came in time"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

// How much the API's clock and ours may differ: a Date is cut to seconds, and signatures
// hold the time.
const (
	sameClock  = 5 * time.Second
	otherClock = time.Minute
)

// apart is how much ahead the API's clock is, as far as the Date of its answer tells.
func (v visit) apart() (ahead time.Duration, told bool) {
	date, err := http.ParseTime(v.date)
	if v.err != nil || err != nil {
		return 0, false
	}
	if ahead := date.Sub(v.heard.Round(0)); ahead > 0 {
		return ahead, true
	}
	return min(0, date.Add(time.Second).Sub(v.asked.Round(0))), true
}

// clock is about the clocks of the API and of this machine.
func (e *exam) clock(context.Context) []Finding {
	if !e.loaded {
		return e.unread()
	}
	ahead, told := e.visit().apart()
	if !told {
		return skipped("mend the way to the API first; meanwhile: timedatectl", "the API did not tell the time")
	}
	do := "set the clock of this machine, and keep it right: timedatectl set-ntp true"
	side := "behind"
	if ahead < 0 {
		side = "ahead of"
	}
	off := ahead.Abs().Round(time.Second)
	switch {
	case off > otherClock:
		return bad(do, "this machine's clock is %s %s the API's: it may refuse every request, for its signature holds the time", off, side)
	case off > sameClock:
		return warning(do, "this machine's clock is %s %s the API's: hours, and texts in doubt, are judged by both", off, side)
	}
	return good("that of the API, to %s", sameClock)
}

// once keeps the status that the API answers with, and ends a request that would be tried
// again.
type once struct {
	http.RoundTripper
	status int
	end    context.CancelFunc
}

// RoundTrip sends.
func (o *once) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := o.RoundTripper.RoundTrip(r)
	if err == nil && fails(resp.StatusCode) {
		o.status = resp.StatusCode
		o.end()
	}
	return resp, err
}

// fails reports whether an answer says nothing of the request.
func fails(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }

// credentials asks for the report of one second, which sends nothing.
func (e *exam) credentials(ctx context.Context) []Finding {
	switch v := e.visit(); {
	case !e.loaded:
		return e.unread()
	case !e.keyed:
		return skipped("mend the secrets first", "the secrets cannot be read")
	case v.err != nil:
		return skipped("mend the way to the API first", "the API cannot be asked")
	}
	t := e.transport()
	defer t.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, longest-time.Second)
	defer cancel()
	heard := &once{RoundTripper: t, end: cancel}
	cfg := e.file.LiveDeflect
	cfg.Transport = heard
	api, err := livedeflect.New(cfg)
	if err != nil {
		return bad("correct it", "livedeflect: %v", err)
	}
	defer api.Close()
	now := time.Now().Truncate(time.Second)
	var failed *livedeflect.ReportError
	for _, err := range api.Report(ctx, livedeflect.ReportQuery{From: now.Add(-time.Second), To: now}) {
		if failed == nil {
			failed, _ = errors.AsType[*livedeflect.ReportError](err)
		}
	}
	if failed == nil {
		return good("accepted: the API gave the report of one second, which sends nothing")
	}
	said := ""
	if answer, ok := errors.AsType[*livedeflect.APIError](failed); ok {
		said = " (" + answer.Error() + ")"
	}
	switch failed.Reason {
	case deflect.ReasonUnauthorized, deflect.ReasonInvalidNonce:
		do := "compare livedeflect.consumer_key and token, and the secrets in their files, with the API keys of the account at LivePerson. " +
			"If all are the same, ask LivePerson whether these keys may use LiveDeflect and read its report"
		if ahead, _ := e.visit().apart(); ahead.Abs() > otherClock {
			do = "set the clock first: a signature holds the time. Then look again"
		}
		return bad(do, "the API refuses these keys%s", said)
	case deflect.ReasonRejected:
		return bad("correct livedeflect.site_id: it is the number of the account at LivePerson, and the keys are of that account",
			"the API takes the signature, and refuses the request%s", said)
	case deflect.ReasonRedirected, deflect.ReasonBadResponse:
		return bad("correct livedeflect.domain or base_url, or look for a proxy that answers in the place of the API",
			"what answers is no LiveDeflect API%s", said)
	}
	do := "look again in a minute; if it stays so, ask LivePerson. Callers are not offered a text meanwhile"
	if heard.status > 0 {
		return warning(do, "the API does not say: it answers with HTTP %d", heard.status)
	}
	return warning(do, "the API did not say in time")
}
