package freeswitch

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Switch is a FreeSWITCH whose waiting callers are offered a text.
type Switch struct {
	Name     string         // for metrics and logs; letters, digits, '-' and '_'; required
	Address  string         // of its event socket, such as 127.0.0.1:8021; required
	Password deflect.Secret // of its event socket; required
}

// OnSent says what becomes of a caller who waited and was texted; of callers that the
// dialplan has handed over, it decides itself.
type OnSent struct {
	Transfer string // extension, dialplan and context, such as "9999 XML public"; empty to leave the caller in the queue
}

var errNotOneWord = errors.New("holds a blank, a quote, a backslash or ::, which cannot be played to callers who wait (inbound)")

// inbound checks the switches to watch, and what their callers would hear there.
func (v *checker) inbound(c Config) {
	names, addresses := map[string]bool{}, map[string]string{}
	for i, sw := range c.Inbound {
		at := fmt.Sprintf("Inbound[%d]", i)
		switch {
		case !wordForm.MatchString(sw.Name):
			v.bad(at+".Name", "must be 1 to 64 letters, digits, '-' or '_'")
		case names[sw.Name]:
			v.bad(at+".Name", "%q is the name of an earlier switch too", sw.Name)
		}
		names[sw.Name] = true
		host, port, err := net.SplitHostPort(sw.Address)
		n, portErr := strconv.ParseUint(port, 10, 16)
		switch other, twice := addresses[sw.Address]; {
		case err != nil || portErr != nil || host == "" || n == 0:
			v.bad(at+".Address", "must be a host and the port of its event socket, such as 127.0.0.1:8021")
		case twice:
			v.bad(at+".Address", "is that of switch %q too: a key press would be seen twice", other)
		}
		addresses[sw.Address] = sw.Name
		switch {
		case sw.Password == deflect.Secret{}:
			v.bad(at+".Password", "is missing")
		case strings.IndexFunc(sw.Password.Reveal(), func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
			v.bad(at+".Password", "holds a control character, such as a line break")
		}
	}
	ownSounds := promptWord(c.Sounds)
	if len(c.Inbound) > 0 && c.Sounds != "" && !ownSounds {
		v.bad("Sounds", "%w", errNotOneWord)
	}
	for i, p := range c.Profiles {
		at := fmt.Sprintf("Profiles[%d].", i)
		if t := p.OnSent.Transfer; t != "" && !transferForm.MatchString(t) {
			v.bad(at+"OnSent.Transfer", "must be an extension, a dialplan and a context, such as \"9999 XML public\"")
		}
		if len(c.Inbound) == 0 {
			continue
		}
		sets := map[string]Prompts{"Prompts": p.Prompts}
		for lang, t := range p.Languages {
			sets["Languages."+lang+".Prompts"] = t.Prompts
		}
		for _, set := range slices.Sorted(maps.Keys(sets)) {
			prompts := sets[set]
			for row, value := range prompts.All() {
				switch {
				case *value == "", *value == None, row.handed, checkPrompt(*value) != nil, promptWord(*value):
				case !ownSounds && strings.HasPrefix(*value, c.Sounds+"/"): // said of the folder
				default:
					v.bad(at+set+"."+row.Field, "%w", errNotOneWord)
				}
			}
		}
	}
}
