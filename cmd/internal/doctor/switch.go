package doctor

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// socket is a connection to the event socket of a switch. The library that watches calls is
// not used for it: it does not survive an answer of one byte, which a variable can have.
type socket struct {
	nc  net.Conn
	dec *esl.Decoder
}

var (
	errPassword = errors.New("it refuses the password")
	errList     = errors.New("its access list refuses this machine")
	errNoSocket = errors.New("what listens there is no event socket")
	errUnknown  = errors.New("it does not know the command")
)

const (
	mostAnswered = 32 << 20        // a dialplan of many files is large
	greets       = 2 * time.Second // an event socket says at once what it is
)

// dial connects and authenticates.
func dial(ctx context.Context, sw freeswitch.Switch) (_ *socket, err error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", sw.Address)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			nc.Close()
		}
	}()
	_ = nc.SetDeadline(time.Now().Add(greets))
	s := &socket{nc, esl.NewDecoder(nc, esl.Limits{BodyBytes: mostAnswered})}
	switch f, err := s.frame(); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errNoSocket
	case err != nil:
		return nil, err
	case f.ContentType() == "text/rude-rejection":
		return nil, errList
	case f.ContentType() != "auth/request":
		return nil, errNoSocket
	}
	if until, ok := ctx.Deadline(); ok {
		_ = nc.SetDeadline(until)
	}
	f, err := s.ask("auth " + sw.Password.Reveal())
	if err != nil {
		return nil, err
	}
	if reply, _ := f.Header("Reply-Text"); !strings.HasPrefix(reply, "+OK") {
		return nil, errPassword
	}
	return s, nil
}

func (s *socket) close() {
	_, _ = s.nc.Write([]byte("exit\n\n"))
	_ = s.nc.Close()
}

func (s *socket) frame() (esl.Frame, error) {
	f, err := s.dec.Decode()
	if _, odd := errors.AsType[*esl.ProtocolError](err); odd {
		err = errNoSocket
	}
	return f, err
}

func (s *socket) ask(command string) (esl.Frame, error) {
	if strings.ContainsAny(command, "\r\n\x00") {
		return esl.Frame{}, errors.New("what was to be asked has line breaks")
	}
	if _, err := s.nc.Write([]byte(command + "\n\n")); err != nil {
		return esl.Frame{}, err
	}
	return s.frame()
}

// api asks for something. What is not there is "".
func (s *socket) api(command string) (string, error) {
	f, err := s.ask("api " + command)
	if err != nil {
		return "", err
	}
	if f.ContentType() != "api/response" {
		return "", errNoSocket
	}
	switch text := string(f.Body()); {
	case strings.HasPrefix(text, "-ERR no reply"), strings.HasPrefix(text, "can't find"):
		return "", nil
	case strings.HasPrefix(text, "-ERR") && strings.Contains(text, "ommand not found"):
		return "", errUnknown
	case strings.HasPrefix(text, "-"):
		return "", errors.New("it refuses " + command)
	default:
		return text, nil
	}
}

// is asks for what is true or false.
func (s *socket) is(command string) (bool, error) {
	text, err := s.api(command)
	return strings.TrimSpace(text) == "true", err
}

// atEach does something with each switch, and tells what came of it: one line, if all is
// good everywhere.
func (e *exam) atEach(ctx context.Context, do func(freeswitch.Switch, *socket) ([]Finding, error)) []Finding {
	all := e.switches()
	switch {
	case !e.loaded:
		return e.unread()
	case len(all) == 0 && len(e.file.FreeSWITCH.Inbound) > 0:
		return skipped("mend the secrets first", "the passwords of the switches cannot be read")
	case len(all) == 0:
		return skipped(nameSwitch, "no switch is named")
	}
	return together(all, func(sw freeswitch.Switch) []Finding {
		s, err := e.dial(ctx, sw)
		if err != nil {
			return skipped("mend the switch first", "%s cannot be asked", sw.Name)
		}
		defer s.close()
		findings, err := do(sw, s)
		if err != nil {
			findings = append(findings, skipped("mend the switch first, then look again", "%s did not tell: %s", sw.Name, netCause(err))...)
		}
		return findings
	})
}

// dial dials a switch, unless the first who did was refused.
func (e *exam) dial(ctx context.Context, sw freeswitch.Switch) (*socket, error) {
	if err := e.first[sw.Address](); err != nil {
		return nil, err
	}
	return dial(ctx, sw)
}

// together looks at all switches at the same time: they answer when they like.
func together(all []freeswitch.Switch, look func(freeswitch.Switch) []Finding) (found []Finding) {
	said := make(chan []Finding, len(all))
	for _, sw := range all {
		go func() { said <- look(sw) }()
	}
	for range all {
		found = append(found, <-said...)
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return strings.Compare(a.Text, b.Text) })
	return found
}

// reachSwitches is about the event sockets of the switches.
func (e *exam) reachSwitches(ctx context.Context) []Finding {
	all := e.switches()
	if !e.loaded || len(all) == 0 {
		return e.atEach(ctx, nil)
	}
	return together(all, func(sw freeswitch.Switch) []Finding { return e.reachSwitch(ctx, sw) })
}

func (e *exam) reachSwitch(ctx context.Context, sw freeswitch.Switch) []Finding {
	s, err := e.dial(ctx, sw)
	if err != nil {
		do := "start FreeSWITCH, or correct the address. mod_event_socket has to be in its modules.conf.xml; listen-ip in its event_socket.conf.xml says who can reach it"
		switch _, isDNS := errors.AsType[*net.DNSError](err); {
		case isDNS:
			do = "correct the name, or let this machine find it"
		case errors.Is(err, errPassword):
			do = "write the password of its event_socket.conf.xml where deflectd looks for it (password_file of the switch, or the environment). Was that changed lately? On the switch: fs_cli -x 'reload mod_event_socket'"
		case errors.Is(err, errList):
			do = "add this machine to a list in its acl.conf.xml, name the list as apply-inbound-acl in its event_socket.conf.xml, then on the switch: fs_cli -x reloadxml, and fs_cli -x 'reload mod_event_socket'. Where the list refuses fs_cli too, restart FreeSWITCH"
		}
		return bad(do, "%s: %s", called(sw), netCause(err))
	}
	defer s.close()
	version, err := s.api("version short")
	switch {
	case errors.Is(err, errUnknown):
		do := "name mod_commands in its modules.conf.xml, and restart FreeSWITCH: fs_cli cannot load it"
		if e.watches(sw) {
			return bad(do, "%s has not loaded mod_commands: who waits in its queues is not offered a text", called(sw))
		}
		return skipped(do, "%s has not loaded mod_commands, and cannot be asked", called(sw))
	case err != nil:
		return skipped("look again; if it stays so, look into the log of the switch", "%s did not tell its version: %s", called(sw), netCause(err))
	}
	return good("%s is FreeSWITCH %s", called(sw), strings.TrimSpace(version))
}

// called is a switch by its name and address.
func called(sw freeswitch.Switch) string {
	if sw.Name == sw.Address {
		return sw.Name
	}
	return sw.Name + " (" + sw.Address + ")"
}

// settings are what event_socket.conf.xml says.
type settings struct {
	Params []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"settings>param"`
}

func (s settings) get(name string) (value string) {
	for _, p := range s.Params {
		if strings.EqualFold(p.Name, name) {
			value = p.Value
		}
	}
	return value
}

// wellKnown is the password that FreeSWITCH comes with.
const wellKnown = "ClueCon"

// eventSockets is about who can command the switches, and whether deflectd still can after
// their next start.
func (e *exam) eventSockets(ctx context.Context) []Finding {
	return e.atEach(ctx, func(sw freeswitch.Switch, s *socket) (found []Finding, err error) {
		text, err := s.api("xml_locate configuration configuration name event_socket.conf")
		if err != nil {
			return nil, err
		}
		var conf settings
		if text == "" || xml.Unmarshal([]byte(text), &conf) != nil {
			return skipped("look yourself: conf/autoload_configs/event_socket.conf.xml on the switch", "%s does not tell its event_socket.conf (mod_xml_curl?)", sw.Name), nil
		}
		const then = "then on the switch: fs_cli -x reloadxml, and fs_cli -x 'reload mod_event_socket'"
		password, list := cmp.Or(conf.get("password"), wellKnown), conf.get("apply-inbound-acl")
		if sw.Password.Reveal() == wellKnown {
			do := "write a password of your own into its event_socket.conf.xml and where deflectd looks for it, " + then
			if list == "" || list == "loopback.auto" {
				found = append(found, warning(do, "%s has the password that FreeSWITCH comes with: every program of its machine can command it", sw.Name)...)
			} else {
				found = append(found, bad(do, "%s has the password that FreeSWITCH comes with: whoever its list lets in (%s) can command it", sw.Name, list)...)
			}
		}
		if password != sw.Password.Reveal() {
			do := "write the same password into its event_socket.conf.xml and where deflectd looks for it, " + then
			found = append(found, bad(do, "%s has another password in its event_socket.conf.xml than it goes by: after its next start deflectd is refused", sw.Name)...)
		}
		if from, bad := netip.ParseAddrPort(s.nc.LocalAddr().String()); bad == nil && !letsIn(list, from.Addr().Unmap()) {
			do := "name a list of its acl.conf.xml that holds this machine as apply-inbound-acl in its event_socket.conf.xml, " + then
			found = append(found, warning(do, "%s lets in this machine now, but by its event_socket.conf.xml only %s: after its next start deflectd may be refused", sw.Name, cmp.Or(list, "its own"))...)
		}
		if len(found) > 0 {
			return found, nil
		}
		return good("%s: listens on %s, with a password of its own, and lets in %s", sw.Name, cmp.Or(conf.get("listen-ip"), "127.0.0.1"), cmp.Or(list, "its own machine")), nil
	})
}

// letsIn reports whether a switch lets in an address, as far as the name of its list says.
func letsIn(list string, from netip.Addr) bool {
	if list == "" || list == "loopback.auto" {
		return from.IsLoopback()
	}
	p, err := netip.ParsePrefix(list)
	return err != nil || p.Contains(from)
}

// keys is about variables of the whole switch that keep keys from being heard.
func (e *exam) keys(ctx context.Context) []Finding {
	return e.atEach(ctx, func(sw freeswitch.Switch, s *socket) (found []Finding, err error) {
		unset := func(name string) string {
			return fmt.Sprintf("take %s out of its vars.xml, then on the switch: fs_cli -x 'global_setvar %[1]s='", name)
		}
		hidden, err := s.api("global_getvar sensitive_dtmf")
		if err != nil {
			return nil, err
		}
		if isTrue(hidden) {
			found = append(found, bad(unset("sensitive_dtmf"), "%s: sensitive_dtmf is true for all calls: no key is ever reported, and nobody can accept", sw.Name)...)
		}
		ends, err := s.api("global_getvar playback_terminators")
		if err != nil {
			return found, err
		}
		for _, p := range e.file.FreeSWITCH.Profiles {
			if ends == "any" || strings.Contains(ends, p.AcceptDigit) && ends != "none" {
				found = append(found, warning(unset("playback_terminators"),
					"%s: playback_terminators is %q for all calls: the key of profile %s (%s) ends what your own dialplan plays, an announcement of a queue with it. deflectd's prompts play on",
					sw.Name, ends, p.Name, p.AcceptDigit)...)
				break
			}
		}
		if len(found) > 0 {
			return found, nil
		}
		return good("%s reports keys, and playback_terminators is %s", sw.Name, cmp.Or(ends, "not set")), nil
	})
}

// isTrue is what FreeSWITCH takes for true.
func isTrue(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "yes", "on", "enable", "enabled", "active", "allow", "t", "y":
		return true
	}
	s = strings.TrimSpace(s)
	return s != "" && strings.Trim(s, "0123456789") == "" && strings.Trim(s, "0") != ""
}
