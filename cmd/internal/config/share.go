package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// shift says of a profile whether agents have to be on shift, and for which skill.
type shift struct {
	only    bool
	skillID string
}

// nobodyAsked is a shift that nobody has connected.
type nobodyAsked struct{}

func (nobodyAsked) OnShift() (on, known bool) { return false, false }

// WithShifts returns f with who was made of Shifts, which tells its profiles whether agents
// are on shift.
func (f File) WithShifts(shifts *liveperson.Shifts) File {
	f.FreeSWITCH.Profiles = slices.Clone(f.FreeSWITCH.Profiles)
	for i, s := range f.shifts {
		if s.only {
			f.FreeSWITCH.Profiles[i].Agents = shifts.Of(s.skillID)
		}
	}
	return f
}

// finishProfiles completes the profiles by what the sections of the APIs say, and by each
// other.
func (f *File) finishProfiles(d *decoder) {
	f.split(d)
	for i := range f.FreeSWITCH.Profiles {
		at := fmt.Sprintf("profiles[%d]", i)
		f.finishAPI(d, at, i)
		f.finishShift(d, at, i)
	}
	f.Domains = f.askDomains()
}

// finishAPI is about the API that sends a profile's texts.
func (f *File) finishAPI(d *decoder, at string, i int) {
	p, api := &f.FreeSWITCH.Profiles[i], &f.APIs[i]
	if *api == "" {
		*api = f.API()
	}
	if len(f.apis()) == 0 || d.blames(at+".api") {
		return
	}
	of := func(key string) string { return at + "." + key }
	switch {
	case !f.Speaks(*api):
		d.badAt(of("api"), "needs the section %s, which is missing", *api)
	case *api == C2M:
		if p.HandoffID == "" && f.c2m.HandoffID == "" && !d.blames(of("handoff_id")) && !d.blames("c2m.handoff_id") {
			d.badAt(of("handoff_id"), "is missing: the id of a handoff, such as H123456789, here or in c2m for all profiles")
		}
		if p.TextTag != "" {
			d.warn(of("text_tag"), "is of no use with c2m, which has no tags: the handoff says which text it is")
		}
	default:
		if p.HandoffID != "" {
			d.warn(of("handoff_id"), "is of no use with livedeflect, which has no handoffs")
		}
		if p.TemplateVariables != nil {
			d.warn(of("template_variables"), "is of no use with livedeflect, which has no templates: text is one")
		}
	}
}

// finishShift is about the shift status.
func (f *File) finishShift(d *decoder, at string, i int) {
	s := f.shifts[i]
	const id = "the number of the skill, as LivePerson's API of skills has it, in quotes"
	switch {
	case !s.only && s.skillID != "":
		d.warn(at+".skill_id", "is of no use without agents: on_shift")
		return
	case !s.only || len(f.apis()) == 0 || d.blames(at+".skill_id"):
		return
	case s.skillID == "":
		d.badAt(at+".skill_id", "is missing: %s, for agents: on_shift", id)
		return
	case !liveperson.ValidSkillID(s.skillID):
		d.badAt(at+".skill_id", "must be %s", id)
		return
	}
	f.FreeSWITCH.Profiles[i].Agents = nobodyAsked{}
	api := f.tokens()
	if api == "" {
		d.badAt(at+".agents", "is on_shift, which is told for a token only: it needs auth: oauth2 in %s", strings.Join(f.apis(), " or "))
		return
	}
	f.Shifts = &liveperson.ShiftsConfig{Account: f.account(api), Auth: f.LiveDeflect.Auth, URL: f.hosts.shiftStatus}
	if api == C2M {
		f.Shifts.Auth = f.C2M.Auth
	}
}

// tokens is the API for which tokens are fetched, C2M before the other; "" for none.
func (f *File) tokens() string {
	for _, api := range []string{C2M, LiveDeflect} {
		if f.Speaks(api) && f.access(api).bearer {
			return api
		}
	}
	return ""
}

// split gives the profiles of the same numbers their shares of the calls, one after the
// other.
func (f *File) split(d *decoder) {
	type group struct {
		first   string
		percent int
	}
	groups, serving := map[string]*group{}, map[string]*group{}
	profiles := f.FreeSWITCH.Profiles
	for i := range profiles {
		p, at := &profiles[i], fmt.Sprintf("profiles[%d].dialed", i)
		numbers := f.numbersOf(*p)
		g, known := groups[strings.Join(numbers, " ")]
		if !known {
			g = &group{first: p.Name}
			groups[strings.Join(numbers, " ")] = g
		}
		percent := 100 - p.Withhold
		switch sum := g.percent + percent; {
		case !known || d.blames(at):
		case sum <= 100:
			p.From, p.Shared = g.percent, g.first
		case g.percent < 100 && percent < 100:
			d.badAt(at, "are the numbers of profile %q too, and percent is %d together: at most 100, so that each call has one profile", g.first, sum)
		}
		g.percent += percent
		for _, n := range numbers {
			other := serving[n]
			if other != nil && other != g && other.percent < 100 && percent < 100 && !d.blames(at) {
				d.badAt(at, "has some numbers of profile %q: profiles that split calls have all their numbers in common", other.first)
			}
			serving[n] = g
		}
	}
}

// numbersOf are the numbers that a profile serves, E.164, in order.
func (f *File) numbersOf(p freeswitch.Profile) (numbers []string) {
	for _, number := range p.Dialed {
		if n, ok := numberplan.E164(phone.Number(number), f.Deflect.DefaultRegion); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}
