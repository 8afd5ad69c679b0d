package doctor

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// dialplanXML is the XML dialplan that a switch has loaded.
type dialplanXML struct {
	Contexts []contextXML `xml:"context"`
}

type contextXML struct {
	Name       string         `xml:"name,attr"`
	Extensions []extensionXML `xml:"extension"`
}

type extensionXML struct {
	Name       string         `xml:"name,attr"`
	Continue   string         `xml:"continue,attr"`
	Conditions []conditionXML `xml:"condition"`
}

type conditionXML struct {
	Field      string      `xml:"field,attr"`
	Expression string      `xml:"expression,attr"`
	Break      string      `xml:"break,attr"`
	Regex      string      `xml:"regex,attr"`
	Others     []xml.Attr  `xml:",any,attr"` // times of day
	Actions    []actionXML `xml:"action"`

	Conditions []conditionXML `xml:"condition"` // one in another

	re *regexp.Regexp // of Expression; nil for one of PCRE, which can do more
}

type actionXML struct {
	Application string `xml:"application,attr"`
	Data        string `xml:"data,attr"`
}

// readDialplan reads what a switch answers.
func readDialplan(text string) (plan dialplanXML, err error) {
	if err = xml.Unmarshal([]byte(text), &plan); err != nil {
		return plan, err
	}
	for _, c := range plan.Contexts {
		for _, x := range c.Extensions {
			for i := range x.Conditions {
				if c := &x.Conditions[i]; !strings.HasPrefix(c.Expression, "/") {
					c.re, _ = regexp.Compile(c.Expression)
				}
			}
		}
	}
	return plan, nil
}

// taking is how sure it is that an extension takes a call.
type taking int

const (
	never taking = iota
	perhaps
	surely // as far as the number decides
)

// called is what an extension is called.
func (x extensionXML) called() string { return cmp.Or(x.Name, "without a name") }

// takes judges by what was dialled alone. Other conditions may hold or not.
func (x extensionXML) takes(number string) taking {
	best := surely
	for _, c := range x.Conditions {
		if len(c.Conditions)+len(c.Others) > 0 {
			best = perhaps
		}
		switch {
		case c.Regex != "" || c.Break == "never" || c.Break == "on-true":
			return perhaps
		case c.Field == "" && c.Expression == "": // of no condition
			continue
		case c.Field != "destination_number" && c.Field != "${destination_number}":
			best = perhaps
			continue
		}
		switch {
		case c.re == nil:
			return perhaps
		case !c.re.MatchString(number):
			return never
		}
	}
	if len(x.Conditions) == 0 {
		return never
	}
	return best
}

// actions are those of an extension.
func (x extensionXML) actions(application string) []string {
	return actionsOf(x.Conditions, application)
}

func actionsOf(conditions []conditionXML, application string) (data []string) {
	for _, c := range conditions {
		for _, a := range c.Actions {
			if a.Application == application {
				data = append(data, a.Data)
			}
		}
		data = append(data, actionsOf(c.Conditions, application)...)
	}
	return data
}

// announces reports whether an extension tells of a call that waits.
func (x extensionXML) announces() bool {
	return slices.ContainsFunc(x.actions("event"), func(data string) bool { return strings.Contains(data, "deflect::offer") })
}

// asked is how a switch may have a number that was dialled: with its country code, or as
// dialled in the country.
func asked(number, region string) []string {
	p, ok := numberplan.Parse(phone.Number(number), region)
	if !ok {
		return []string{number}
	}
	digits := strings.TrimPrefix(p.E164, "+")
	all := []string{p.E164, digits, p.National, numberplan.WithTrunkPrefix(p), "00" + digits, "011" + digits}
	return slices.Compact(all)
}

const afterwards = "then on the switch: fs_cli -x reloadxml"

// dialplans is about the extensions that hand calls over.
func (e *exam) dialplans(ctx context.Context) []Finding {
	return e.atEach(ctx, func(sw freeswitch.Switch, s *socket) (found []Finding, err error) {
		curl, err := s.is("module_exists mod_xml_curl")
		if err != nil {
			return nil, err
		}
		if curl {
			return skipped("call the number and see", "%s may have its dialplan from a web server (mod_xml_curl)", sw.Name), nil
		}
		text, err := s.api("xml_locate dialplan")
		if err != nil {
			return nil, err
		}
		plan, err := readDialplan(text)
		if err != nil {
			return skipped("call the number and see", "%s has no XML dialplan that can be read", sw.Name), nil
		}
		var told []string
		for _, p := range e.file.FreeSWITCH.Profiles {
			more, is, err := e.dialplanOf(sw, s, plan, p)
			if err != nil {
				return found, err
			}
			if is != "" {
				told = append(told, is)
			}
			found = append(found, more...)
			found = append(found, e.onSent(sw, plan, p)...)
		}
		if len(found) == 0 {
			return good("%s hands over the numbers of %s", sw.Name, strings.Join(told, ", ")), nil
		}
		return found, nil
	})
}

// onSent looks for where callers go who waited and were texted.
func (e *exam) onSent(sw freeswitch.Switch, plan dialplanXML, p freeswitch.Profile) []Finding {
	words := strings.Fields(p.OnSent.Transfer)
	if len(words) != 3 || words[1] != "XML" || !e.watches(sw) {
		return nil
	}
	for _, c := range plan.Contexts {
		if c.Name == words[2] && slices.ContainsFunc(c.Extensions, func(x extensionXML) bool { return x.takes(words[0]) != never }) {
			return nil
		}
	}
	do := "copy dialplan/deflect_callcenter.xml or deflect_fifo.xml, which has deflect_texted, into the folder of that context, or correct on_sent; " + afterwards
	return bad(do, "%s: context %s has no extension %s, where callers of profile %s go who were texted (on_sent): they are cut off", sw.Name, words[2], words[0], p.Name)
}

// watches reports whether deflectd dials the switch.
func (e *exam) watches(sw freeswitch.Switch) bool {
	return slices.ContainsFunc(e.file.FreeSWITCH.Inbound, func(s freeswitch.Switch) bool { return s.Address == sw.Address })
}

// dialplanOf looks for what hands over the calls of a profile.
func (e *exam) dialplanOf(sw freeswitch.Switch, s *socket, plan dialplanXML, p freeswitch.Profile) (found []Finding, is string, err error) {
	install := fmt.Sprintf("copy dialplan/deflect_offer.xml into the folder of the context that its calls arrive in (conf/dialplan/public/), "+
		"set deflect_daemons in it to %s, deflect_number_pattern to the number and deflect_queue to where callers wait, %s", e.dialled(s), afterwards)
	if len(p.Dialed) == 0 { // the rest
		for _, c := range plan.Contexts {
			for _, x := range c.Extensions {
				hands, err := e.handsOver(s, x)
				if err != nil {
					return nil, "", err
				}
				if hands.us || x.announces() {
					return e.wording(sw, s, plan, p, c, x, hands), p.Name, nil
				}
			}
		}
		return bad(install, "%s: no extension hands calls over to this deflectd (profile %s)", sw.Name, p.Name), "", nil
	}
	for _, number := range p.Dialed {
		more, err := e.dialplanOfNumber(sw, s, plan, p, number, install)
		if err != nil {
			return nil, "", err
		}
		found = append(found, more...)
	}
	return found, p.Name, nil
}

// dialplanOfNumber follows a number through each context, as far as what was dialled leads.
func (e *exam) dialplanOfNumber(sw freeswitch.Switch, s *socket, plan dialplanXML, p freeswitch.Profile, number, install string) ([]Finding, error) {
	who := fmt.Sprintf("%s: %s of profile %s", sw.Name, phone.Number(number), p.Name)
	var elsewhere, before, other, menu []Finding
	met := false // by an extension that may take it
	for _, c := range plan.Contexts {
		for _, form := range asked(number, e.file.Deflect.DefaultRegion) {
			taken := ""
			for _, x := range c.Extensions {
				t := x.takes(form)
				if t == never {
					continue
				}
				met = true
				hands, err := e.handsOver(s, x)
				if err != nil {
					return nil, err
				}
				switch {
				case (hands.us || x.announces()) && taken == "":
					return e.wording(sw, s, plan, p, c, x, hands), nil
				case hands.us || x.announces():
					do := fmt.Sprintf("let %s come before %s: files are read in the order of their names; %s", x.called(), taken, afterwards)
					before = bad(do, "%s: %s takes the call before %s does (context %s)", who, taken, x.called(), c.Name)
				case hands.others != "":
					do := fmt.Sprintf("set deflect_daemons at the top of its file to %s, or freeswitch.outbound.listen to what it names; %s", e.dialled(s), afterwards)
					other = bad(do, "%s: extension %s hands it over to %s, and this deflectd listens on %s", who, x.called(), hands.others, e.file.OutboundListen)
				}
				if t == surely && x.Continue != "true" && taken == "" {
					taken = x.called()
					elsewhere = bad(install, "%s: extension %s takes it, and does not hand it over (context %s)", who, x.called(), c.Name)
				}
			}
		}
		if met && slices.ContainsFunc(c.Extensions, func(x extensionXML) bool {
			return x.takes("deflect_accepted") == perhaps && x.Name == "deflect_accepted"
		}) {
			menu = skipped("call the number and see", "%s: no extension of its hands it over; whether a menu in it transfers to deflect_accepted cannot be seen", who)
		}
	}
	for _, of := range [][]Finding{before, other, menu, elsewhere} {
		if of != nil {
			return of, nil
		}
	}
	return bad(install, "%s: no extension takes it", who), nil
}

// handing is what an extension hands over, and to whom.
type handing struct {
	us     bool
	at     string // the address that is ours
	others string // addresses that are not
	words  string // of our socket action, behind the addresses
}

// handsOver looks at the socket actions of an extension. Variables of the whole switch in
// them count; those of calls are not known.
func (e *exam) handsOver(s *socket, x extensionXML) (h handing, err error) {
	for _, data := range x.actions("socket") {
		if data, err = expand(s, data); err != nil {
			return h, err
		}
		addrs, words, _ := strings.Cut(strings.TrimSpace(data), " ")
		for addr := range strings.SplitSeq(addrs, "|") {
			if e.listensOn(addr) && (!h.us || loopbackName(hostOf(h.at))) {
				h = handing{us: true, at: addr, words: words}
			}
		}
		if h.us {
			return h, nil
		}
		h.others = addrs
	}
	return h, nil
}

var variableForm = regexp.MustCompile(`\$\{([a-zA-Z0-9_]+)\}`)

// expand fills in variables of the whole switch.
func expand(s *socket, data string) (string, error) {
	var failed error
	data = variableForm.ReplaceAllStringFunc(data, func(v string) string {
		value, err := s.api("global_getvar " + v[2:len(v)-1])
		if err != nil {
			failed = err
		}
		return cmp.Or(value, v)
	})
	return data, failed
}

// listensOn reports whether an address that a switch dials can be this deflectd's.
func (e *exam) listensOn(addr string) bool {
	host, port, err := net.SplitHostPort(strings.TrimSpace(addr))
	ourHost, ourPort, bad := net.SplitHostPort(e.file.OutboundListen)
	if err != nil || bad != nil || port != ourPort {
		return false
	}
	if loopbackName(host) { // nobody is there for who listens on another address alone
		ip, err := netip.ParseAddr(ourHost)
		return loopbackName(ourHost) || err != nil || ip.IsUnspecified()
	}
	// A name, and an address of this machine among several, may be ours.
	return !loopbackName(ourHost) || net.ParseIP(host) == nil
}

// dialled is how a switch reaches this deflectd.
func (e *exam) dialled(s *socket) string {
	host, port, err := net.SplitHostPort(e.file.OutboundListen)
	if ip, bad := netip.ParseAddr(host); err != nil || host != "" && (bad != nil || !ip.IsUnspecified()) {
		return e.file.OutboundListen
	}
	return net.JoinHostPort(hostOf(s.nc.LocalAddr().String()), port)
}

// elsewhere reports whether the switch is on another machine.
func elsewhere(s *socket) bool {
	at, err := netip.ParseAddrPort(s.nc.RemoteAddr().String())
	return err == nil && !at.Addr().Unmap().IsLoopback() && !ours(at.Addr().Unmap())
}

// wording looks at how an extension hands calls over.
func (e *exam) wording(sw freeswitch.Switch, s *socket, plan dialplanXML, p freeswitch.Profile, c contextXML, x extensionXML, h handing) (found []Finding) {
	where := fmt.Sprintf("%s: extension %s (context %s)", sw.Name, x.called(), c.Name)
	if !h.us { // it announces who waits
		if !e.watches(sw) {
			return bad("add it to freeswitch.inbound", "%s announces who waits, and deflectd does not watch %s", where, sw.Address)
		}
		return nil
	}
	if elsewhere(s) && loopbackName(hostOf(h.at)) {
		do := fmt.Sprintf("set deflect_daemons at the top of its file to %s, unless the switch's machine passes that port on; %s", e.dialled(s), afterwards)
		found = append(found, warning(do, "%s hands over to %s, which is the switch's own machine, and deflectd is on another", where, h.at)...)
	}
	words := strings.Fields(h.words)
	do := "write it as in dialplan/deflect_offer.xml: host:port async full; " + afterwards
	if !slices.Contains(words, "async") {
		return bad(do, "%s hands over without the word async: such calls are not offered a text", where)
	}
	if !slices.Contains(words, "full") {
		found = append(found, warning(do, "%s hands over without the word full: the last events of a call that hangs up are lost", where)...)
	}
	if len(x.actions("sched_transfer")) == 0 {
		do := "put the lines of the watchdog around socket, as in dialplan/deflect_offer.xml; " + afterwards
		found = append(found, warning(do, "%s has no watchdog: a deflectd that hangs holds its callers in silence", where)...)
	}
	for _, lost := range plan.deadEnds(c.Name, x) {
		do := "set deflect_queue at the top of its file to the extension, dialplan and context where callers wait, or correct that transfer; " + afterwards
		found = append(found, bad(do, "%s: its calls go on to %s, and no extension takes them there: callers are cut off", where, lost)...)
	}
	return found
}

// means reports whether an extension is there for a number, and not for any.
func (x extensionXML) means(number string) bool {
	return slices.ContainsFunc(x.Conditions, func(c conditionXML) bool {
		return c.Field == "destination_number" && c.re != nil && c.re.MatchString(number) && !c.re.MatchString("~")
	})
}

// deadEnds are the transfers behind an extension, and behind those that they lead to, which
// nobody takes. Where they lead by what is known of a call alone is not followed.
func (d dialplanXML) deadEnds(context string, x extensionXML) (lost []string) {
	type place struct{ number, context string }
	seen := map[place]bool{}
	var follow func(context string, x extensionXML)
	follow = func(context string, x extensionXML) {
		targets := x.actions("transfer")
		for _, data := range x.actions("sched_transfer") {
			_, target, _ := strings.Cut(data, " ")
			targets = append(targets, target)
		}
		for _, data := range targets {
			words := strings.Fields(data)
			if len(words) == 0 || strings.HasPrefix(data, "-") || strings.Contains(data, "$") || len(words) > 1 && words[1] != "XML" {
				continue
			}
			to := place{words[0], context}
			if len(words) > 2 {
				to.context = words[2]
			}
			if seen[to] {
				continue
			}
			seen[to] = true
			taken := false
			for _, c := range d.Contexts {
				for _, next := range c.Extensions {
					if c.Name == to.context && next.takes(to.number) != never {
						taken = true
						if next.means(to.number) {
							follow(c.Name, next)
						}
					}
				}
			}
			if !taken {
				lost = append(lost, to.number+" in context "+to.context)
			}
		}
	}
	follow(context, x)
	return lost
}
