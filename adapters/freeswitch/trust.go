package freeswitch

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	infoForm     = regexp.MustCompile(`^` + infoPrefix + `[A-Za-z0-9_.-]{1,100}$`)
	templateForm = regexp.MustCompile(`^` + templatePrefix + `[0-9]{1,3}$`)
)

// variables checks the names of the variables that always count.
func (v *checker) variables(field string, names []string) {
	for i, name := range names {
		if !sayable(name) {
			v.bad(fmt.Sprintf("%s[%d]", field, i), "%q is no variable that the dialplan can set for us, such as deflect_profile or deflect_info_plan", name)
		}
	}
}

// guarded are channel data that a browser may have had a hand in. mod_verto lets it
// name variables as it likes, and the names are not encoded: one with a line break in it
// makes any header. But it cannot take away what the switch says, only say it again.
type guarded struct {
	headers
	counting []string // names of the variables that count for all channels
	browser  bool     // the call came from one, through mod_verto
	forged   bool     // a header that was asked for is there twice
}

func guard(e headers, counting []string) *guarded {
	g := &guarded{headers: e, counting: counting}
	g.browser = g.verto()
	return g
}

// Get implements headers.
func (g *guarded) Get(name string) string {
	if r, ok := g.headers.(interface{ Repeated(name string) bool }); ok && r.Repeated(name) {
		g.forged = true
	}
	return g.headers.Get(name)
}

// variable returns a channel variable, if it counts. What an earlier pass of the call
// came to always does: it can only keep the caller from being asked or texted again.
func (g *guarded) variable(name string) string {
	if !g.counts(name) {
		return ""
	}
	return variableOf(g, name)
}

func (g *guarded) counts(name string) bool {
	return !g.browser || name == askedVariable || slices.Contains(g.counting, name)
}

// verto looks for any sign of mod_verto, of the channel or of the other leg, whose
// variables may have been exported to it.
func (g *guarded) verto() bool {
	is := false
	for _, h := range []string{
		"Channel-Name", "Channel-Channel-Name", "Caller-Channel-Name", "Other-Leg-Channel-Name",
		"Channel-Source", "Caller-Source", "Other-Leg-Source",
	} {
		v := strings.ToLower(g.Get(h))
		is = is || strings.HasPrefix(v, "verto") || v == "mod_verto"
	}
	for _, prefix := range []string{vertoPrefix, vertoSocketVariable} {
		g.Each(variablePrefix+prefix, func(string, string) bool {
			is = true
			return false
		})
	}
	return is
}

var errForged = errors.New("the channel data hold a header twice, as those of a browser (mod_verto) can that forges them: nothing in them is believed, and nobody is texted")
