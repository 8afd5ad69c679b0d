package config

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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

// checkText makes a text of a profile once: it asks whether a call with nothing of its
// own could be sent that, if the file gives it (own), and counts its messages.
func (f *File) checkText(d *decoder, client *deflect.Client, at, key string, p freeswitch.Profile, own string) {
	call := deflect.Call{
		ANI: "+14043438646", DNIS: "+18005550100", Start: time.Now(), ExternalCallID: "1",
		Skill: p.Skill, TextTag: p.TextTag, HandoffID: p.HandoffID, TemplateVariables: p.TemplateVariables,
	}
	least, bad := p.RenderText(call) // noted by the library's rules
	if own != "" {
		call.Text = least
	}
	for _, e := range leaves(client.Check(context.Background(), call)) {
		var v *deflect.ValidationError
		if !errors.As(e, &v) {
			continue
		}
		field, number, _ := strings.Cut(strings.TrimSuffix(v.Field, "]"), "[")
		path := map[string]string{
			"Skill": ".skill", "TextTag": ".text_tag", "Text": key, "HandoffID": ".handoff_id", "TemplateVariables": ".template_variables",
		}[field]
		if number != "" {
			path += "." + number
		}
		if path == "" || d.blames(at+path) {
			continue
		}
		if v.Code == deflect.CodeMissing {
			if key == ".text" { // once, not for each language
				d.warn(at+".skill", "is missing: only calls that set the channel variable deflect_skill are offered a text")
			}
			continue
		}
		d.badAt(at+path, "%s", v.Detail)
	}
	at += key
	if p.Text == "" || p.Text == freeswitch.None || bad != nil || d.blames(at) {
		return
	}
	cost := Text{Path: at, Segments: sms.SegmentsOf(least), Template: least != p.Text}
	f.Texts = append(f.Texts, cost)
	if cost.Segments.Count > 1 {
		d.warn(at, "takes %s", cost)
	}
}
