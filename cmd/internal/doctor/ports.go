package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

var (
	buildLine = regexp.MustCompile(`^deflectd_build_info\{.*version="([^"]*)".*\} 1`)
	valueLine = regexp.MustCompile(`^(process_max_fds|deflectd_config_last_reload_successful|deflectd_config_last_reload_success_timestamp_seconds) ([0-9.e+]+)$`)
	errOther  = errors.New("it is no deflectd")
)

// running is what a deflectd that runs tells of itself.
type running struct {
	version  string    // "" where none answers
	files    int       // which it may have open; 0 is not known
	refused  bool      // the configuration, when it was reloaded last
	reloaded time.Time // when it read the configuration that it goes by
	err      error     // why none tells
}

// askDaemon asks whoever listens at http.listen.
func (e *exam) askDaemon(ctx context.Context) (r running) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client, base, err := state.Client(e.file.HTTPListen, e.HTTPConfig)
	if err != nil {
		return running{err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return running{err: err}
	}
	resp, err := client.Do(req)
	if err != nil {
		return running{err: err}
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 16<<20))
	for lines.Scan() {
		if m := buildLine.FindStringSubmatch(lines.Text()); m != nil {
			r.version = m[1]
		}
		m := valueLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		switch n, err := strconv.ParseFloat(m[2], 64); {
		case err != nil || n > math.MaxInt32:
		case m[1] == "process_max_fds":
			r.files = int(n)
		case m[1] == "deflectd_config_last_reload_successful":
			r.refused = n == 0
		default:
			r.reloaded = time.UnixMilli(int64(n * 1000))
		}
	}
	if r.version == "" {
		r.err = errOther
	}
	return r
}

// ports is about the addresses that deflectd listens on. Nobody dials the one for calls: a
// deflectd would take that for a call.
func (e *exam) ports(context.Context) (found []Finding) {
	if !e.loaded {
		return e.unread()
	}
	r := e.running()
	var told []string
	for _, p := range []struct{ key, addr string }{
		{"freeswitch.outbound.listen", e.file.OutboundListen}, {"http.listen", e.file.HTTPListen},
	} {
		err := free(p.addr)
		switch {
		case err == nil && r.version != "" && p.key != "http.listen":
			do := fmt.Sprintf("does it run with another configuration? Restart it with %s: systemctl restart deflectd", e.Config)
			found = append(found, bad(do, "deflectd %s runs, and does not listen on %s (%s)", r.version, p.addr, p.key)...)
		case err == nil:
			told = append(told, p.addr+" is free")
		case errors.Is(err, syscall.EADDRINUSE) && r.version != "":
			told = append(told, p.addr+" is taken, and deflectd "+r.version+" runs")
		case errors.Is(err, syscall.EADDRINUSE):
			_, port, _ := net.SplitHostPort(p.addr)
			if r.err != nil && strings.Contains(r.err.Error(), "--http.config.file") {
				found = append(found, skipped("ask it as it wants: --http.config.file FILE, as 'deflectctl state' does", "%s (%s) is taken, and who answers at http.listen was not asked well: %s", p.addr, p.key, e.whoAnswers(r.err))...)
				continue
			}
			do := fmt.Sprintf("find out whose it is (ss -ltnp 'sport = :%s'): restart a deflectd that hangs, stop another program, or set %s to another port. Of systemd (socket units): journalctl -u deflectd says why it does not start", port, p.key)
			found = append(found, bad(do, "%s (%s) is taken, and no deflectd answers at http.listen: %s", p.addr, p.key, e.whoAnswers(r.err))...)
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			found = append(found, bad("set "+p.key+" to one that it has: ip address", "%s (%s) is no address of this machine", p.addr, p.key)...)
		case errors.Is(err, fs.ErrPermission):
			found = append(found, bad("set "+p.key+" to a port above 1023", "%s (%s) needs a right that this user has not", p.addr, p.key)...)
		default:
			found = append(found, bad("correct it", "%s (%s) cannot be listened on: %v", p.addr, p.key, err)...)
		}
	}
	if len(found) > 0 {
		return found
	}
	return good("%s", strings.Join(told, "; "))
}

// ofDaemon is about the deflectd that runs, and what it goes by.
func (e *exam) ofDaemon(context.Context) []Finding {
	if !e.loaded {
		return e.unread()
	}
	r := e.running()
	info, err := os.Stat(e.Config)
	again := fmt.Sprintf("deflectctl check %s, then: systemctl reload deflectd (or kill -HUP it)", e.Config)
	switch {
	case r.version == "" && errors.Is(r.err, syscall.ECONNREFUSED):
		return good("no deflectd runs with this configuration")
	case r.version == "":
		return skipped("ask it by hand: curl "+e.file.HTTPListen+"/metrics", "a deflectd at http.listen does not tell of itself: %s", e.whoAnswers(r.err))
	case r.refused:
		return warning(again, "deflectd %s refused its configuration when that was reloaded last, and goes by the one before", r.version)
	case err == nil && !r.reloaded.IsZero() && info.ModTime().After(r.reloaded.Add(time.Second)):
		return warning(again, "%s was changed at %s, and deflectd %s goes by what it read at %s", e.Config, info.ModTime().UTC().Format(time.RFC3339), r.version, r.reloaded.UTC().Format(time.RFC3339))
	}
	return good("deflectd %s, with the configuration as it is", r.version)
}

// whoAnswers says what became of asking for a deflectd.
func (e *exam) whoAnswers(err error) string {
	if err == nil || errors.Is(err, errOther) {
		return "what answers there is another program"
	}
	return netCause(err)
}

// free tries to listen, and lets go at once.
func free(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// allowed is about who may hand calls over.
func (e *exam) allowed(ctx context.Context) (found []Finding) {
	if !e.loaded {
		return e.unread()
	}
	const key = "freeswitch.outbound.allow"
	for _, p := range e.file.FreeSWITCH.Allow {
		if p.Bits() == 0 {
			do := fmt.Sprintf("name the addresses of your switches alone in %s; the port has no password", key)
			found = append(found, warning(do, "everybody may hand calls over: %s is all addresses", p)...)
		}
	}
	parties := e.named()
	listen := hostOf(e.file.OutboundListen)
	here, told := loopbackName(listen), 0
	for _, p := range parties {
		addrs, err := e.addresses(ctx, p.Address)
		if err != nil {
			continue // as the names tell
		}
		for _, ip := range addrs {
			ip = ip.Unmap()
			if at, err := netip.ParseAddr(listen); err == nil && ip.IsLoopback() && !here && !at.IsUnspecified() {
				ip = at.Unmap() // from where a program of this machine dials it
			}
			switch {
			case here && ours(ip): // it dials 127.0.0.1 then
				told++
			case !ip.IsLoopback() && here:
				do := fmt.Sprintf("set freeswitch.outbound.listen to an address that the switch reaches, and put %s/%d on %s", ip, ip.BitLen(), key)
				found = append(found, bad(do, "switch %s is another machine (%s), and %s is reached from this one alone", p.Name, ip, e.file.OutboundListen)...)
			case !e.allows(ip):
				do := fmt.Sprintf("add %s/%d to %s, then: systemctl reload deflectd", ip, ip.BitLen(), key)
				found = append(found, bad(do, "switch %s (%s) may not hand calls over", p.Name, ip)...)
			default:
				told++
			}
		}
	}
	switch {
	case len(found) > 0:
		return found
	case len(parties) == 0:
		return skipped(nameSwitch, "no switch is named to compare %s with", key)
	case told == 0:
		return skipped("mend the names first", "the addresses of the switches are not known")
	}
	return good("%s may hand calls over", plural(told, "address")+" of "+plural(len(parties), "switch"))
}

// addresses are those of a host, as given or as looked up.
func (e *exam) addresses(ctx context.Context, addr string) ([]netip.Addr, error) {
	host := hostOf(addr)
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return e.Lookup(ctx, host)
}

// ours reports whether an address is of this machine, and not of loopback.
func ours(ip netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	return err == nil && !ip.IsLoopback() && slices.ContainsFunc(all, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap() == ip
	})
}

func (e *exam) allows(ip netip.Addr) bool {
	for _, p := range e.file.FreeSWITCH.Allow {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// openFiles is about the limit of open files, of the deflectd that runs or of this user.
func (e *exam) openFiles(context.Context) []Finding {
	if !e.loaded {
		return e.unread()
	}
	r, whose := e.running(), "the deflectd that runs"
	shares := daemon.DescriptorsOf(r.files, e.file)
	if r.files == 0 {
		shares, whose = daemon.ShareDescriptors(e.file), "a deflectd started from here"
	}
	if shares.Limit == 0 {
		return good("there is no limit, or none that is known")
	}
	if shares.Short() == "" {
		return good("%s serves %d calls at a time (max_calls) with its %d files", whose, shares.Calls, shares.Limit)
	}
	enough := 1024
	for daemon.DescriptorsOf(enough, e.file).Short() != "" {
		enough *= 2
	}
	do := fmt.Sprintf("set LimitNOFILE=%d in the unit (systemctl edit deflectd), or ulimit -n %[1]d before it, and restart it; or lower freeswitch.outbound.max_calls", enough)
	return warning(do, "%s serves %s", whose, cutAfter(shares.Short(), "; "))
}

func cutAfter(s, mark string) string {
	s, _, _ = strings.Cut(s, mark)
	return s
}

// nameSwitch is what to do where no switch is known.
const nameSwitch = "name one: DEFLECT_FREESWITCH_PASSWORD=... deflectctl doctor --switch 127.0.0.1:8021 (its event socket)"
