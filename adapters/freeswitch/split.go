package freeswitch

import (
	"fmt"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// shares checks that no call has two profiles: those of one number offer texts to shares of
// its calls that have no point in common.
func (v *checker) shares(profiles []Profile, region string) {
	d := directory{byNum: map[string][]int{}}
	for i, p := range profiles {
		at := fmt.Sprintf("Profiles[%d].Dialed", i)
		if len(p.Dialed) == 0 {
			if other, ok := overlaps(profiles, d.theRest, p); ok {
				v.bad(at, "is missing: profile %q already serves the numbers that no profile names", other)
			}
			d.theRest = append(d.theRest, i)
		}
		for j, number := range p.Dialed {
			n, ok := numberplan.E164(phone.Number(number), region)
			if !ok {
				continue
			}
			if other, ok := overlaps(profiles, d.byNum[n], p); ok {
				v.bad(fmt.Sprintf("%s[%d]", at, j), "is served by profile %q already", other)
			}
			d.byNum[n] = append(d.byNum[n], i)
		}
	}
}

// overlaps returns the name of the first profile among those at some places whose share has
// calls in common with that of p, or that is p, named twice.
func overlaps(profiles []Profile, places []int, p Profile) (string, bool) {
	for _, i := range places {
		o := profiles[i]
		if o.Name == p.Name || o.From < p.From+100-p.Withhold && p.From < o.From+100-o.Withhold {
			return o.Name, true
		}
	}
	return "", false
}

// others says which profiles serve the other calls of the number dialled, "" for none.
func (p *profiles) others(ch *channel, serving *profile) string {
	if ch.profile != "" {
		return ""
	}
	var names []string
	_, among := p.dialed(ch.dialed)
	for _, i := range among {
		if p.list[i] != serving {
			names = append(names, p.list[i].Name)
		}
	}
	if names == nil {
		return ""
	}
	return "; other calls of this number are of " + strings.Join(names, ", ") + ", by the id of the call (uuid)"
}
