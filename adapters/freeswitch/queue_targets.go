package freeswitch

import (
	"context"
	"encoding/xml"
	"regexp"
	"strings"
)

// checkTargets says in the log where callers who were texted would be cut off: which
// extension of a profile's OnSent the switch does not have. It says nothing of what it
// cannot tell for sure.
func (sw *watched) checkTargets(ctx context.Context, l *link, checked map[string]bool) {
	for _, p := range sw.w.srv.setup.Load().profiles.list {
		target := p.OnSent.Transfer
		words := strings.Fields(target)
		if checked[target] || len(words) != 3 || words[1] != "XML" {
			continue
		}
		checked[target] = true
		if sw.nowhere(ctx, l, words[0], words[2]) {
			sw.w.srv.log.Warn("on_sent names an extension that the switch does not have: callers who were texted would be cut off",
				"switch", sw.Name, "profile", p.Name, "transfer", target)
		}
	}
}

// nowhere reports whether a switch certainly has no such extension. A dialplan that comes
// from a web server, or perhaps from a script, is not judged.
func (sw *watched) nowhere(ctx context.Context, l *link, extension, name string) bool {
	if loaded, err := l.do(ctx, "", moduleExists("mod_xml_curl")); err != nil || loaded != "false" {
		return false
	}
	locate, ok := locateContext(name)
	if !ok {
		return false
	}
	text, err := l.do(ctx, "", locate)
	if err != nil {
		return false
	}
	if strings.HasPrefix(text, "can't find") {
		loaded, err := l.do(ctx, "", moduleExists("mod_lua"))
		return err == nil && loaded == "false"
	}
	var c struct {
		XMLName    xml.Name       `xml:"context"`
		Extensions []xmlExtension `xml:"extension"`
	}
	if err := xml.Unmarshal([]byte(text), &c); err != nil {
		return false
	}
	for _, e := range c.Extensions {
		if e.mayTake(extension) {
			return false
		}
	}
	return true
}

// xmlExtension is what an extension of a dialplan asks of a call.
type xmlExtension struct {
	Continue   string         `xml:"continue,attr"`
	Conditions []xmlCondition `xml:"condition"`
}

type xmlCondition struct {
	Field      string `xml:"field,attr"`
	Expression string `xml:"expression,attr"`
	Break      string `xml:"break,attr"`
	Regex      string `xml:"regex,attr"`
}

// mayTake reports whether a call to an extension can come in here and stay: unless a
// condition says no, it can.
func (e xmlExtension) mayTake(extension string) bool {
	asked := false
	for _, c := range e.Conditions {
		switch {
		case c.Regex != "" || c.Break == "never" || c.Break == "on-true":
			return true
		case c.Field == "${sip_looped_call}": // of a call that comes from the switch itself
			return false
		case c.Field != "destination_number" && c.Field != "${destination_number}":
			continue
		}
		asked = true
		if re, err := regexp.Compile(c.Expression); err == nil && !strings.HasPrefix(c.Expression, "/") && !re.MatchString(extension) {
			return false
		}
	}
	return asked || e.Continue != "true"
}
