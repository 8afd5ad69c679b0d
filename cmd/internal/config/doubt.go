package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Without braces it may as well be money.
var referenceForm = regexp.MustCompile(`\$\{[A-Za-z_][^}]*\}|^\$[A-Z][A-Z0-9_]+(/|$)`)

const unfilled = "holds a reference such as ${NAME}, which nothing fills in: it counts as it stands, so write the value itself"

// doubt warns of a text that stands in the file and is not what it looks like: YAML
// ends it at " #", and nothing fills in variables of the environment.
func (d *decoder) doubt(n *yaml.Node, at, s string, c cutOff) {
	// Behind anything but the words that callers read, a comment is just that, unless
	// there is no blank after its #, and the value could go on.
	comment := strings.TrimPrefix(n.LineComment, "#")
	if plain(n) && n.LineComment != "" && (c == cutAny || c == cutGlued && comment != "" && !strings.ContainsAny(comment[:1], " \t#")) {
		d.warn(at, "ends before the #, where YAML begins a comment: put the text in quotes if the rest belongs to it, else the comment on a line of its own")
	}
	if refers(s) {
		d.warn(at, unfilled)
	}
}

// doubts are the warnings, but for those of references where one was refused.
func (d *decoder) doubts() []Problem {
	return slices.DeleteFunc(inOrder(d.warnings), func(w Problem) bool {
		return w.Text == unfilled && slices.ContainsFunc(d.problems, func(p Problem) bool {
			return p.Path == w.Path && strings.Contains(p.Text, "${")
		})
	})
}

func plain(n *yaml.Node) bool {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind == yaml.ScalarNode && n.Style&quoted == 0
}

// refers reports whether a shell would fill something in.
func refers(s string) bool { return referenceForm.MatchString(s) }

// doubtSecret says what about a key or secret was hardly meant: each of these counts as
// a part of it, and the other side knows it without. "" for nothing.
func doubtSecret(s string) string {
	odd := strings.IndexFunc(s, unseen)
	first, last := s[:min(1, len(s))], s[max(0, len(s)-1):]
	switch {
	case strings.HasPrefix(s, "\ufeff"):
		return "begins with a byte order mark, which counts as part of it: save it as UTF-8 without one"
	case odd >= 0:
		return fmt.Sprintf("holds a character that cannot be seen (%U), which counts as part of it: type it in anew", []rune(s[odd:])[0])
	case len(s) > 1 && first == last && strings.ContainsAny(first, "\"'`"):
		return "has quotes around it, which count as part of it: remove them"
	case strings.IndexFunc(s, unicode.IsSpace) >= 0:
		return "holds a blank, which counts as part of it: is it a key or a secret and nothing else?"
	case refers(s):
		return unfilled
	}
	return ""
}

func unseen(r rune) bool { return unicode.In(r, unicode.Cf, unicode.Variation_Selector) }

// fixedZones are clocks that are not changed and that are easily taken for those of the
// places around. Etc/ zones are checked by their prefix.
var fixedZones = map[string]bool{
	"EST": true, "MST": true, "HST": true, "GMT": true, "GMT0": true, "GMT+0": true, "GMT-0": true, "GREENWICH": true,
}

var utcZones = map[string]bool{"ETC/UTC": true, "ETC/UCT": true, "ETC/UNIVERSAL": true, "ETC/ZULU": true}

// checkZones warns of hours in a zone without a place, and so without summer time.
func (f *File) checkZones(d *decoder) {
	for i, p := range f.FreeSWITCH.Profiles {
		name := strings.ToUpper(p.Hours.Zone) // some systems do not mind the case
		zone, err := time.LoadLocation(p.Hours.Zone)
		if err != nil || !fixedZones[name] && (!strings.HasPrefix(name, "ETC/") || utcZones[name]) {
			continue
		}
		d.warn(fmt.Sprintf("profiles[%d].hours.zone", i), "is no place: its clock is UTC%s all year, without summer time; write the place, such as America/New_York or Europe/London, or UTC",
			time.Now().In(zone).Format("-07:00"))
	}
}
