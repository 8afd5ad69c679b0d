package config

import (
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/sms"
)

// Text is what one text of a profile costs, without what a call adds to it.
type Text struct {
	Path     string // key of the text
	Segments sms.Segments
	Template bool // a call may add to it
}

// String tells the cost in words.
func (t Text) String() string {
	s := t.Segments
	unit, more := "septets of GSM-7", ""
	if s.UCS2 {
		unit = fmt.Sprintf("units of UCS-2, because of %q, its character %d", s.Foreign, s.Position)
	}
	if t.Template {
		more = ", without what a call adds"
	}
	noun := "messages"
	if s.Count == 1 {
		noun = "message"
	}
	return fmt.Sprintf("%d %s: %d %s (%d fit into one)%s", s.Count, noun, s.Units, unit, s.Limit, more)
}

// checkTexts counts the messages of each text and warns of those that take more
// than one.
func (f *File) checkTexts(d *decoder) {
	for i, p := range f.FreeSWITCH.Profiles {
		at := fmt.Sprintf("profiles[%d]", i)
		f.checkText(d, at+".text", p)
		for _, lang := range sorted(p.Languages) {
			p.Text = p.Languages[lang].Text
			f.checkText(d, at+".languages."+lang+".text", p)
		}
	}
}

func (f *File) checkText(d *decoder, at string, p freeswitch.Profile) {
	if p.Text == "" || p.Text == freeswitch.None || d.blames(at) {
		return
	}
	least, err := p.RenderText(deflect.Call{Skill: p.Skill})
	if err != nil {
		return // noted by the library's rules
	}
	cost := Text{Path: at, Segments: sms.SegmentsOf(least), Template: least != p.Text}
	f.Texts = append(f.Texts, cost)
	if cost.Segments.Count > 1 {
		d.warn(at, "takes %s", cost)
	}
}
