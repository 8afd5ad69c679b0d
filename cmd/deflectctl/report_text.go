package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// stageNames say what the report's stages are taken to mean.
var stageNames = map[funnel.Stage]string{
	livedeflect.EventCallStart:    "reached LiveDeflect",
	livedeflect.EventSkillChoice:  "skill chosen",
	livedeflect.EventOvrChan:      "channel chosen",
	livedeflect.EventDeflResponse: "accepted",
	livedeflect.EventSendText:     "text sent",
	livedeflect.EventConversation: "conversation opened",

	funnel.Attempted: "asked about", funnel.Eligible: "eligible", funnel.Invited: "accepted", funnel.Sent: "text sent",
	funnel.Delivered: "text delivered", funnel.Read: "text read", funnel.Conversation: "conversation opened",
}

// number shows a telephone number, masked unless it may be seen.
func (r *reportResult) number(n phone.Number) string {
	if r.ShowNumbers {
		return string(n)
	}
	return n.String()
}

// key is the key of a group, for programs.
func (r *reportResult) key(g funnel.Group) string {
	if r.By == "dialed" {
		return r.number(phone.Number(g.Key))
	}
	return r.words(g.Key)
}

// numberForm is what may be a telephone number in a text or in an id: one with a
// plus sign, or so many digits without a letter or a dash beside them.
var numberForm = regexp.MustCompile(`\+[0-9]{7,15}|\b[0-9]{10,15}\b`)

// words are a text of the report without telephone numbers.
func (r *reportResult) words(s string) string {
	if r.ShowNumbers {
		return s
	}
	return numberForm.ReplaceAllStringFunc(s, func(n string) string { return phone.Number(n).String() })
}

// label is the key of a group, for people.
func (r *reportResult) label(g funnel.Group) string {
	shown := visible(r.key(g), 40)
	switch {
	case shown == "":
		return "(not told)"
	case r.By == "hour":
		return g.Start.Format("Mon 2 Jan 15:04 MST")
	case r.By == "day":
		return g.Start.Format("Mon 2 Jan 2006")
	}
	return shown
}

// terminalSequence is what moves a terminal's cursor or changes its colours.
var terminalSequence = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|.)?")

// visible makes a stranger's text fit for a terminal and a page: no controls, no
// invisible or turning characters, not endless.
func visible(s string, length int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, terminalSequence.ReplaceAllString(s, ""))
	if runes := []rune(s); len(runes) > length {
		return string(runes[:length-1]) + "…"
	}
	return s
}

// percent is a share of a whole. What is not all does not round to all, and what
// is there does not round to nothing.
func percent(n, of int) string {
	share := 100 * float64(n) / float64(of)
	switch {
	case of == 0:
		return "-"
	case n > 0 && share < 0.5:
		return "<1 %"
	case n < of && share >= 99.5:
		return ">99 %"
	}
	return fmt.Sprintf("%.0f %%", share)
}

// roughly shows a time as a person would say it.
func roughly(d time.Duration) string {
	if d = d.Round(100 * time.Millisecond); d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	if d = d.Round(time.Second); d < time.Minute {
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	if d < time.Hour {
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// half is the median, if there is one.
func half(d funnel.Durations) string {
	if d.Calls == 0 {
		return "-"
	}
	return roughly(d.Median)
}
