package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// check finds what is wrong with values that could be read. The rules are those
// of the libraries; only what they say in terms of Go is said here instead.
func (f *File) check(d *decoder) {
	f.checkAPIs(d)
	f.checkListen(d, "freeswitch.outbound.listen", f.OutboundListen, defaultOutboundListen)
	f.checkListen(d, "http.listen", f.HTTPListen, defaultHTTPListen)
	if f.OutboundListen == f.HTTPListen && !strings.HasSuffix(f.HTTPListen, ":0") {
		d.badAt("http.listen", "is the address of freeswitch.outbound.listen too: give them different ports")
	}
	read := len(d.problems)
	engine := f.Deflect
	engine.Backend = nobody()
	d.library(errors.Join(f.validateAPIs(), f.validateFunnel(), f.inAPI(d, engine.Validate())), read)

	client, err := f.probe()
	if err != nil {
		d.badAt("", "cannot be checked further: %s", err)
		return
	}
	fs := f.FreeSWITCH
	fs.Client = client
	d.library(fs.Validate(), read)
	f.checkAllow(d)
	for i, p := range f.FreeSWITCH.Profiles {
		at := fmt.Sprintf("profiles[%d]", i)
		f.checkLineTypes(d, at, p)
		f.checkLater(d, at+".later", p)
		full := p.WithDefaults(f.FreeSWITCH.Sounds)
		f.FreeSWITCH.Profiles[i] = full
		f.checkText(d, client, at, ".text", full, p.Text)
		for _, lang := range sorted(full.Languages) {
			full.Text = full.Languages[lang].Text
			f.checkText(d, client, at, ".languages."+lang+".text", full, p.Languages[lang].Text)
		}
	}
}

// checkLineTypes warns of a profile that would let nobody of a country pass.
func (f *File) checkLineTypes(d *decoder, at string, p freeswitch.Profile) {
	if p.LineTypes != deflect.StrictLineTypes || d.blames(at+".countries") {
		return
	}
	countries := p.Countries
	if len(countries) == 0 {
		countries = []string{f.Deflect.DefaultRegion}
	}
	var blind []string
	for _, c := range countries {
		if !numberplan.TellsMobiles(c) && !slices.Contains(blind, c) {
			blind = append(blind, c)
		}
	}
	if len(blind) > 0 {
		d.warn(at+".line_types", "is strict, but numbers do not tell mobiles from landlines in %s: nobody there is offered a text", strings.Join(blind, ", "))
	}
}

// checkLater is about texts that wait.
func (f *File) checkLater(d *decoder, at string, p freeswitch.Profile) {
	switch waits := p.Later.Closed > 0 || p.Later.Failed > 0; {
	case waits && f.StateDir == "" && !d.blames("state.dir"):
		d.badAt(at, "needs state.dir, such as /var/lib/deflectd: texts that wait in memory would be lost with a restart")
	case p.Later.Closed > 0 && len(p.Hours.Week) == 0 && len(p.Hours.Holidays) == 0:
		d.warn(at+".closed", "is of no use without hours: it is never closed")
	}
}

func (f *File) checkEndpoint(d *decoder) {
	api := f.LiveDeflect
	if api.Domain != "" && api.BaseURL != "" && !d.blames("livedeflect.domain") && !d.blames("livedeflect.base_url") {
		d.badAt("livedeflect.base_url", "and domain are both given: keep one")
	}
}

func (f *File) checkListen(d *decoder, at, addr, example string) {
	if d.blames(at) {
		return
	}
	host, port, err := net.SplitHostPort(addr)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || strings.ContainsAny(host, " /%") || strconv.FormatUint(n, 10) != port {
		d.badAt(at, "must be an address and a port, such as %s", example)
	}
}

// checkAllow warns of a listener that nobody on the allow-list can reach.
func (f *File) checkAllow(d *decoder) {
	const at = "freeswitch.outbound.listen"
	host, _, err := net.SplitHostPort(f.OutboundListen)
	if err != nil || d.blames(at) || d.blamesIn("freeswitch.outbound.allow") || len(f.FreeSWITCH.Allow) == 0 {
		return
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "":
		ip = netip.IPv6Unspecified()
	case host == "localhost":
		ip = netip.IPv6Loopback()
	case err != nil:
		return // a name: where it leads is not asked
	}
	ip = ip.Unmap()
	here := ip.IsLoopback()
	for _, p := range f.FreeSWITCH.Allow {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		first := p.Masked().Addr() // the whole network is loopback if this is
		switch {
		case here && (first.IsLoopback() && first.Is4() == ip.Is4() || p.Contains(ip)),
			here && host == "localhost" && (first.IsLoopback() || p.Contains(netip.AddrFrom4([4]byte{127, 0, 0, 1}))),
			!here && !first.IsLoopback() && (first.Is4() == ip.Is4() || ip == netip.IPv6Unspecified()): // which IPv4 reaches as well
			return
		}
	}
	if here {
		d.warn(at, "is for this machine alone, but freeswitch.outbound.allow does not name it: nobody could connect; add %q there, or listen for the machines that it names", "127.0.0.0/8")
		return
	}
	d.warn(at, "is for other machines, but freeswitch.outbound.allow names none of them: add the network of your FreeSWITCH there, such as %q, or listen on 127.0.0.1", "10.0.0.0/8")
}

// validateFunnel is about the polls of the report, which are in its section of the file,
// and of which there can be none.
func (f *File) validateFunnel() error {
	polls := f.Funnel
	polls.Every = cmp.Or(polls.Every, time.Second) // any that is right, for none
	var errs []error
	for _, err := range leaves(polls.Validate()) {
		if c := (*deflect.ConfigError)(nil); errors.As(err, &c) {
			why := c.Err
			if c.Field == "Every" {
				why = fmt.Errorf("is %s; must be 0 for never, or between 1s and 24h", polls.Every)
			}
			err = &deflect.ConfigError{Field: "Report." + c.Field, Err: why}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// nobody is a backend for clients that send nothing, made when a file is first checked.
var nobody = sync.OnceValue(func() deflect.Backend {
	api, err := livedeflect.New(livedeflect.Config{
		SiteID: "1", Domain: "va", Auth: liveperson.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s")},
	})
	if err != nil {
		panic(err)
	}
	return api
})

// probe is a client that sends nothing: the rules for calls depend on the
// region and on the longest text. A region that is wrong was noted already.
func (f *File) probe() (*deflect.Client, error) {
	cfg := deflect.Config{Backend: nobody(), DefaultRegion: f.Deflect.DefaultRegion, MaxTextLength: f.Deflect.MaxTextLength}
	if cfg.Validate() != nil {
		cfg.DefaultRegion = ""
	}
	return deflect.New(cfg)
}

// library notes the problems that a library found, unless one of the first read
// problems explains them: a value that could not be read is missing.
func (d *decoder) library(err error, read int) {
	noted := decoder{problems: d.problems[:read:read]}
	for _, e := range leaves(err) {
		var c *deflect.ConfigError
		if !errors.As(e, &c) {
			d.badAt("", "%s", e)
			continue
		}
		at := keyOf(c.Field)
		if strings.HasSuffix(c.Field, ".Auth") && read > 0 || noted.blames(at) || noted.blames(strings.TrimSuffix(at, "_file")) {
			continue
		}
		// What is none in Go is "" here.
		d.badAt(at, "%s", strings.ReplaceAll(c.Err.Error(), "none on purpose", `"" for none`))
	}
}

// leaves takes joined errors apart.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range j.Unwrap() {
			out = append(out, leaves(e)...)
		}
		return out
	}
	if e := (*deflect.Error)(nil); errors.As(err, &e) && e.Err != nil {
		return leaves(e.Err)
	}
	return []error{err}
}

// keys are the keys that fields of the libraries' configurations are set by: whole paths,
// but in what has a field itself, such as a profile.
var keys = fieldKeys(map[string]string{}, sample().rows(), "")

func fieldKeys(keys map[string]string, rows []row, at string) map[string]string {
	for _, r := range rows {
		path := strings.TrimPrefix(at+"."+r.key, ".")
		if r.field != "" {
			for field := range strings.SplitSeq(r.field, ",") {
				keys[field] = path
			}
			path = ""
		}
		if r.value.rows != nil {
			fieldKeys(keys, r.value.rows(), path)
		}
	}
	return keys
}

var fieldForm = regexp.MustCompile(`[A-Za-z][A-Za-z0-9]*`)

// keyOf turns a field of a library into its key: "Profiles[0].Prompts.Offer"
// into "profiles[0].prompts.offer".
func keyOf(fieldPath string) string {
	// The file has the prompts of texts that wait beside whatever else it has of these.
	fieldPath = strings.ReplaceAll(fieldPath, "Prompts.Later", "Later.Later")
	return fieldForm.ReplaceAllStringFunc(fieldPath, func(name string) string {
		if key, ok := keys[name]; ok {
			return key
		}
		return name
	})
}
