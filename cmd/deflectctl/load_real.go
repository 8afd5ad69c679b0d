package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

// The port of http.listen where nobody says otherwise.
const usualHTTP = "9180"

// realTextFlags are of commands whose callers could get real texts.
type realTextFlags struct {
	HTTP      string `name:"http" placeholder:"ADDR" help:"The HTTP port of deflectd, which tells whether its API is a simulator; several as for --daemon (default: port 9180 of its host)."`
	RealTexts bool   `help:"Call a deflectd whose API is no simulator: people get texts."`
	portFlags
}

// refuses says why callers could get real texts: every deflectd that is called has to say,
// on its HTTP port, that its API has proved to be a simulator.
func (c *realTextFlags) refuses(ctx context.Context, daemon string) error {
	if c.RealTexts {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	daemons, https := strings.Split(daemon, "|"), strings.Split(c.HTTP, "|")
	if c.HTTP != "" && len(https) != len(daemons) {
		return usage("--http must have as many addresses as --daemon, in the same order")
	}
	for i, addr := range daemons {
		addr = strings.TrimSpace(addr)
		host, _, _ := net.SplitHostPort(addr)
		at := net.JoinHostPort(host, usualHTTP)
		if c.HTTP != "" {
			at = strings.TrimSpace(https[i])
		}
		client, base, err := state.Client(at, c.HTTPConfig)
		if err != nil {
			return usage("%s: %w", c.HTTPConfig, err)
		}
		if err := simulated(ctx, client, base, addr); err != nil {
			return usage("no call was made: %w\n"+
				"Callers who press the key could get real texts. Let base_url of deflectd point to 'deflectctl simulate livedeflect' (of c2m, all its URLs to 'deflectctl simulate c2m'), and say where its HTTP port is (--http, --http.config.file); "+
				"or say that people may be texted (--real-texts)", err)
		}
	}
	return nil
}

// simulated asks the HTTP port at base about the API of the deflectd that takes calls at
// addr.
func simulated(ctx context.Context, client *http.Client, base, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+state.PathAPI, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("deflectd at %s cannot be asked whether its API is a simulator: %w", addr, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return fmt.Errorf("deflectd at %s does not say now whether its API is a simulator, because many ask: try again", addr)
	}
	var api state.API
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, 4<<10)).Decode(&api) != nil {
		return fmt.Errorf("what listens on %s does not say whether its API is a simulator (status %d): it is no deflectd, or an older one", base, resp.StatusCode)
	}
	host, port, _ := net.SplitHostPort(addr)
	if at, other, err := net.SplitHostPort(api.Outbound); err != nil || other != port || !takesAt(ctx, at, host) {
		return fmt.Errorf("the deflectd with the HTTP port %s takes no calls at %s, but at %s", base, addr, visible(api.Outbound, 100))
	}
	if !sameMachine(ctx, host, req.URL.Hostname()) {
		return fmt.Errorf("the HTTP port %s is not of the machine of %s", base, addr)
	}
	if !api.Simulated {
		return fmt.Errorf("the API of the deflectd at %s is no simulator: %s", addr, visible(api.Why, 300))
	}
	return nil
}

// takesAt reports whether who listens at an address is reached by a host: a machine can have
// several, and behind each another deflectd.
func takesAt(ctx context.Context, listens, host string) bool {
	at, err := netip.ParseAddr(listens)
	if err != nil || at.IsUnspecified() {
		return err == nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	return err == nil && slices.ContainsFunc(ips, func(ip netip.Addr) bool {
		return ip.Unmap() == at.Unmap() || ip.IsUnspecified() && at.Unmap().IsLoopback()
	})
}

// sameMachine reports whether two hosts are one: by name, or because both are this one.
func sameMachine(ctx context.Context, a, b string) bool {
	return strings.EqualFold(a, b) || thisMachine(ctx, a) && thisMachine(ctx, b)
}

func thisMachine(ctx context.Context, host string) bool {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	own, listed := net.InterfaceAddrs()
	if err != nil || listed != nil || len(ips) == 0 {
		return false
	}
	for _, ip := range ips {
		here := ip.Unmap().IsLoopback() || ip.IsUnspecified()
		for _, n := range own {
			p, err := netip.ParsePrefix(n.String())
			here = here || err == nil && p.Addr().Unmap() == ip.Unmap()
		}
		if !here {
			return false
		}
	}
	return true
}
