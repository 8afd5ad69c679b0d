package freeswitch

import (
	"fmt"
	"maps"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
	"github.com/ivrdeflect/ivrdeflect/deflect/sms"
)

// profile is a Profile ready for calls.
type profile struct {
	Profile
	policy *deflect.Policy
	voices map[string]*voice // by language
	own    *voice            // in the profile's language
}

// voice is what callers of one language hear and get.
type voice struct {
	language string // of the callers
	say      string // of the switch's say application
	prompts  Prompts
	text     *sms.Template
}

func (p *profile) add(lang string, prompts Prompts, text *sms.Template) *voice {
	chain := languageChain(lang)
	base, _, _ := strings.Cut(chain[0], "-")
	v := &voice{language: chain[0], say: base, prompts: prompts, text: text}
	for _, value := range v.prompts.All() {
		if *value == None {
			*value = ""
		}
	}
	p.voices[chain[0]] = v
	return v
}

// voice returns what callers of a language hear: in it, in one that can stand in
// for it, or in the profile's.
func (p *profile) voice(lang string) *voice {
	for _, l := range languageChain(lang) {
		if v := p.voices[l]; v != nil {
			return v
		}
	}
	return p.own
}

// RenderText returns the text of the profile, in its own language, for a call.
func (p Profile) RenderText(call deflect.Call) (string, error) {
	t, err := parseText(p.Text)
	if err != nil {
		return "", err
	}
	return t.Render(textFields(call, p.Name))
}

// textFields is what a text may say of a call that a profile serves.
func textFields(call deflect.Call, profile string) sms.Fields {
	return sms.Fields{FirstName: call.FirstName, LastName: call.LastName, Skill: call.Skill, Profile: profile, Info: call.CallerInfo}
}

// directory finds profiles by name and by number.
type directory struct {
	region  string
	byName  map[string]int
	byNum   map[string][]int // E.164; several split its calls
	theRest []int
	shares  []*deflect.Policy // of each profile, for its share of the calls
}

func newDirectory(list []Profile, region string) directory {
	d := directory{region: region, byName: map[string]int{}, byNum: map[string][]int{}}
	for i, p := range list {
		d.byName[p.Name] = i
		for _, number := range p.Dialed {
			if n, ok := numberplan.E164(phone.Number(number), region); ok {
				d.byNum[n] = append(d.byNum[n], i)
			}
		}
		if len(p.Dialed) == 0 {
			d.theRest = append(d.theRest, i)
		}
		share, _ := deflect.NewPolicy(p.Name, deflect.Rules{Withhold: p.Withhold, From: p.From}) // wrong ones are told by Validate
		d.shares = append(d.shares, share)
	}
	return d
}

// dialed returns the number that the caller dialled, E.164 if it is a number,
// and the profiles that serve it, in their order: of the first candidate that a profile
// names, else of the first that is a number, else of what is there.
func (d directory) dialed(candidates []phone.Number) (string, []int) {
	first := ""
	for _, c := range candidates {
		n, ok := numberplan.E164(c, d.region)
		if !ok {
			continue
		}
		if serving := d.byNum[n]; serving != nil {
			return n, serving
		}
		if first == "" {
			first = n
		}
	}
	if first == "" && len(candidates) > 0 {
		first = string(candidates[0])
	}
	return first, d.theRest
}

// share returns the profile whose share of their calls a call is of, the first one for a
// call that none of them would offer a text, and -1 when there is none.
func (d directory) share(among []int, callID string) int {
	if len(among) == 0 {
		return -1
	}
	for _, i := range among {
		if len(among) > 1 && d.shares[i] != nil && d.shares[i].Samples(callID) {
			return i
		}
	}
	return among[0]
}

// FindProfile returns the profile that callers of a number get, as the server
// chooses it, and reports whether there is one. The call's ExternalCallID is for the profiles
// that split the calls of a number.
func FindProfile(list []Profile, dialed phone.Number, region, callID string) (Profile, bool) {
	d := newDirectory(list, region)
	_, among := d.dialed([]phone.Number{dialed})
	i := d.share(among, callID)
	if i < 0 {
		return Profile{}, false
	}
	return list[i], true
}

// profiles are the profiles of a server.
type profiles struct {
	directory
	list []*profile
}

// serving returns the profile that serves a call, nil for none, and completes the
// call with the number dialled.
func (p *profiles) serving(ch *channel) *profile {
	dialed, among := p.dialed(ch.dialed)
	ch.call.DNIS = phone.Number(dialed)
	i := p.share(among, ch.call.ExternalCallID)
	if ch.profile != "" {
		var ok bool
		if i, ok = p.byName[ch.profile]; !ok {
			return nil
		}
	}
	if i < 0 {
		return nil
	}
	return p.list[i]
}

// find returns the profile and the voice of a call, nil if no profile serves it,
// and completes the call with the number dialled and what the channel left unset.
// The error is that of a text that cannot be made for this call.
func (p *profiles) find(ch *channel) (*profile, *voice, error) {
	prof := p.serving(ch)
	if prof == nil {
		return nil, nil, nil
	}
	if _, ok := numberplan.E164(ch.call.DNIS, p.region); !ok && len(prof.Dialed) > 0 {
		ch.call.DNIS = phone.Number(prof.Dialed[0])
	}
	ch.call.Policy = prof.policy
	def(&ch.call.Skill, prof.Skill)
	def(&ch.call.TextTag, prof.TextTag)
	ch.call.HandoffID = prof.HandoffID
	ch.call.TemplateVariables = merged(prof.TemplateVariables, ch.call.TemplateVariables)
	spoken := prof.voice(ch.language)
	if ch.call.Text == "" {
		text, err := spoken.text.Render(textFields(*ch.call, prof.Name))
		if err != nil {
			return prof, spoken, fmt.Errorf("the text cannot be made for this call: it %w", err)
		}
		ch.call.Text = text
	}
	return prof, spoken, nil
}

// merged are the template variables of a call: the channel's, and those of the profile that
// it leaves unset.
func merged(profile, channel map[string]string) map[string]string {
	if len(channel) == 0 {
		return profile
	}
	all := maps.Clone(profile)
	if all == nil {
		return channel
	}
	maps.Copy(all, channel)
	return all
}
