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
	"os"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// visit is what an unsigned request to a place, which asks for nothing, has shown.
type visit struct {
	place
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

func (e *exam) visitPlace(ctx context.Context, p place) visit {
	v := visit{place: p}
	ctx, cancel := context.WithTimeout(ctx, longest-3*time.Second/2)
	defer cancel()
	t := e.transport()
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.root+"/", nil)
	if err != nil {
		v.err = err
		return v
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

// hosts are those that a deflectd dials: the APIs, or the proxy before them, switches, Redis.
func (e *exam) hosts() []string {
	var hosts []string
	for _, p := range e.places().all {
		host := p.host()
		if req, err := http.NewRequest(http.MethodGet, p.root, nil); err == nil {
			if proxy, err := http.ProxyFromEnvironment(req); err == nil && proxy != nil {
				host = proxy.Hostname()
			}
		}
		hosts = append(hosts, host)
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

// reach is about the way to the APIs.
func (e *exam) reach(context.Context) []Finding {
	return e.each("the Domain API has to tell where it is first", reached)
}

// each is what is found at each place.
func (e *exam) each(first string, at func(v visit) []Finding) (found []Finding) {
	if !e.loaded {
		return e.unread()
	}
	for _, v := range e.visited() {
		found = append(found, at(v)...)
	}
	if len(found) == 0 {
		return skipped(first, "nobody tells where the API is")
	}
	return found
}

func reached(v visit) []Finding {
	through := ""
	if v.proxy != "" {
		through = " through the proxy " + v.proxy
	}
	if _, isTLS := certificateError(v.err); v.err == nil || isTLS {
		return good("%s answers%s", v.root, through)
	}
	do := "open the way: a firewall may have to let this machine out to it"
	switch dns, isDNS := errors.AsType[*net.DNSError](v.err); {
	case isDNS && v.proxy == "":
		return skipped("mend the name first", "%s has no address: %s", v.host(), dns.Err)
	case v.proxy != "":
		do = "mend the proxy, or take it away: HTTPS_PROXY and NO_PROXY in the environment of deflectd say which one it takes"
	case isTLSTrouble(v.err):
		do = "look for what answers in its place: it speaks no TLS 1.2 or newer"
	case loopbackName(v.host()):
		simulator := "c2m"
		if strings.HasPrefix(v.key, "livedeflect.") {
			simulator = "livedeflect"
		}
		do = "start what listens there (a simulator: deflectctl simulate " + simulator + "), or correct " + v.key
	}
	return bad(do, "%s does not answer%s: %s", v.root, through, netCause(v.err))
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

// clock is about the clocks of LivePerson and of this machine.
func (e *exam) clock(context.Context) []Finding {
	if !e.loaded {
		return e.unread()
	}
	v, ahead, told := e.theirTime()
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
	case off > otherClock && v.signed:
		return bad(do, "this machine's clock is %s %s the API's: it may refuse every request, for its signature holds the time", off, side)
	case off > sameClock:
		return warning(do, "this machine's clock is %s %s the API's: hours, and texts in doubt, are judged by both", off, side)
	}
	return good("that of the API, to %s", sameClock)
}

// theirTime is how much ahead the clock of LivePerson is, by the first who tells, and by one
// whose requests are signed rather than by another.
func (e *exam) theirTime() (by visit, ahead time.Duration, told bool) {
	for _, v := range e.visited() {
		if of, tells := v.apart(); tells && (!told || v.signed && !by.signed) {
			by, ahead, told = v, of, true
		}
	}
	return by, ahead, told
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

// credentials asks for the report of one second, which sends nothing, of each API.
func (e *exam) credentials(ctx context.Context) (found []Finding) {
	switch {
	case !e.loaded:
		return e.unread()
	case !e.keyed:
		return skipped("mend the secrets first", "the secrets cannot be read")
	case len(e.places().silent) > 0:
		return skipped("mend the way to the Domain API first", "nobody tells where the API is")
	}
	for _, v := range e.visited() {
		if v.err != nil {
			return skipped("mend the way to the API first", "the API cannot be asked")
		}
	}
	if e.file.Speaks(config.LiveDeflect) {
		found = append(found, e.tried(ctx, e.keysOfLiveDeflect)...)
	}
	if e.file.Speaks(config.C2M) {
		found = append(found, e.tried(ctx, e.keysOfC2M)...)
	}
	return found
}

// tried asks an API with the credentials of the configuration.
func (e *exam) tried(ctx context.Context, with func(ctx context.Context, all *apis.APIs, file config.File, heard *once) []Finding) []Finding {
	t := e.transport()
	defer t.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, longest-time.Second)
	defer cancel()
	heard := &once{RoundTripper: t, end: cancel}
	all, file, err := apis.Open(e.file, apis.Options{Transport: heard})
	if err != nil {
		return bad("correct it", "%v", err)
	}
	defer all.Close()
	return with(ctx, all, file, heard)
}

const askedAgain = "look again in a minute; if it stays so, ask LivePerson. Callers are not offered a text meanwhile"

// unsaid is about an API that does not say.
func (o *once) unsaid() []Finding {
	if o.status > 0 {
		return warning(askedAgain, "the API does not say: it answers with HTTP %d", o.status)
	}
	return warning(askedAgain, "the API did not say in time")
}

func (e *exam) keysOfLiveDeflect(ctx context.Context, all *apis.APIs, file config.File, heard *once) []Finding {
	if no := e.token(ctx, file.LiveDeflect.Auth, config.LiveDeflect, heard); no != nil {
		return no
	}
	now := time.Now().Truncate(time.Second)
	var failed *livedeflect.ReportError
	for _, err := range all.Live.Report(ctx, livedeflect.ReportQuery{From: now.Add(-time.Second), To: now}) {
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
		if e.bearer(file.LiveDeflect.Auth) {
			do = "ask LivePerson whether the app of livedeflect.client_id may use LiveDeflect and read its report"
		} else if _, ahead, _ := e.theirTime(); ahead.Abs() > otherClock {
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
	return heard.unsaid()
}

func (e *exam) keysOfC2M(ctx context.Context, all *apis.APIs, file config.File, heard *once) []Finding {
	if no := e.token(ctx, file.C2M.Auth, config.C2M, heard); no != nil {
		return no
	}
	now := time.Now().Truncate(time.Second)
	var failed *c2m.ReportError
	for _, err := range all.C2M.Transactions(ctx, c2m.TransactionQuery{From: now.Add(-time.Second), To: now}) {
		if failed == nil {
			failed, _ = errors.AsType[*c2m.ReportError](err)
		}
	}
	if failed == nil {
		return good("accepted: Connect to Messaging gave the report of one second, which sends nothing. " +
			"Handoff and skill show only when it is asked about a number: deflectctl send, to a phone of yours")
	}
	said := ""
	if answer, ok := errors.AsType[*c2m.APIError](failed); ok {
		said = " (" + answer.Error() + ")"
	}
	switch failed.Reason {
	case deflect.ReasonUnauthorized, deflect.ReasonInvalidNonce:
		do := "ask LivePerson whether the app of c2m.client_id may use Connect to Messaging and its report"
		if !e.bearer(file.C2M.Auth) {
			do = "compare c2m.consumer_key and token, and the secrets in their files, with the API keys of the account at LivePerson"
			if _, ahead, _ := e.theirTime(); ahead.Abs() > otherClock {
				do = "set the clock first: a signature holds the time. Then look again"
			}
		}
		return bad(do, "the report of Connect to Messaging refuses these credentials%s", said)
	case deflect.ReasonRejected:
		return bad("correct c2m.account: it is the number of the account at LivePerson, and the credentials are of that account",
			"the report of Connect to Messaging takes the credentials, and refuses the request%s", said)
	case deflect.ReasonRedirected, deflect.ReasonBadResponse:
		return bad("correct c2m.base_url and reporting_url, or look for a proxy that answers in the place of the API",
			"what answers is no report of Connect to Messaging%s", said)
	}
	return heard.unsaid()
}

func (e *exam) bearer(auth liveperson.Authenticator) bool {
	_, is := auth.(*liveperson.OAuth2)
	return is
}

// token gets one, and says why there is none; nil where all is well, or none is used.
func (e *exam) token(ctx context.Context, auth liveperson.Authenticator, section string, heard *once) []Finding {
	a, is := auth.(*liveperson.OAuth2)
	if !is {
		return nil
	}
	err := a.Check(ctx, heard)
	switch {
	case err == nil:
		return nil
	case heard.status > 0 || ctx.Err() != nil:
		return heard.unsaid()
	}
	do := fmt.Sprintf("compare %s.client_id, the account, and the secret in its file with the app at LivePerson, and correct %[1]s.sentinel_url if there is one", section)
	return bad(do, "there is no token: %v", err)
}
