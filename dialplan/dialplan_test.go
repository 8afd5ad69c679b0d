package dialplan_test

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

type file struct {
	Settings []struct {
		Cmd  string `xml:"cmd,attr"`
		Data string `xml:"data,attr"`
	} `xml:"X-PRE-PROCESS"`
	Extensions []extension `xml:"extension"`
}

type extension struct {
	Name       string `xml:"name,attr"`
	Conditions []struct {
		Field      string   `xml:"field,attr"`
		Expression string   `xml:"expression,attr"`
		Actions    []action `xml:"action"`
	} `xml:"condition"`
}

type action struct {
	Application string `xml:"application,attr"`
	Data        string `xml:"data,attr"`
}

func read(t *testing.T, name string) file {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	// The switch's preprocessor works line by line: <include> stands alone.
	for _, tag := range []string{"<include>", "</include>"} {
		if !slices.Contains(strings.Split(string(raw), "\n"), tag) {
			t.Errorf("%s has no %s on a line of its own", name, tag)
		}
	}
	var f file
	if err := xml.Unmarshal(raw, &f); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f
}

// ofChannel is what the switch itself knows of a call.
var ofChannel = []string{"profile_index", "profile_created_time"}

// walk runs a call through the extensions as the XML dialplan does: the first
// extension whose conditions all match, then again at every transfer. It returns
// the applications that ran.
func walk(t *testing.T, files []file, destination string, vars map[string]string) []action {
	t.Helper()
	globals := map[string]string{}
	var all []extension
	for _, f := range files {
		for _, s := range f.Settings {
			name, value, _ := strings.Cut(s.Data, "=")
			globals[name] = value
		}
		all = append(all, f.Extensions...)
	}
	// $${x} is replaced when the files are read, ${x} when the action runs.
	expand := func(s string) string {
		for name, value := range globals {
			s = strings.ReplaceAll(s, "$${"+name+"}", value)
			s = strings.ReplaceAll(s, "${"+name+"}", value)
		}
		for _, name := range ofChannel {
			s = strings.ReplaceAll(s, "${"+name+"}", name)
		}
		if strings.Contains(s, "${") {
			t.Errorf("%q names an unknown setting", s)
		}
		return s
	}
	var ran []action
	for range 5 { // transfers
		next := ""
		for _, e := range all {
			var actions []action
			matches := true
			for _, c := range e.Conditions {
				value := destination
				if c.Field != "destination_number" {
					value = vars[strings.TrimSuffix(strings.TrimPrefix(c.Field, "${"), "}")]
				}
				matches = matches && regexp.MustCompile(expand(c.Expression)).MatchString(value)
				actions = append(actions, c.Actions...)
			}
			if !matches {
				continue
			}
			for _, a := range actions {
				a.Data = expand(a.Data)
				ran = append(ran, a)
				if a.Application == "transfer" {
					next = strings.Fields(a.Data)[0]
					break
				}
			}
			break
		}
		if next == "" {
			return ran
		}
		destination = next
	}
	t.Errorf("the call goes round in circles: %v", ran)
	return ran
}

// Whatever the outcome, also none at all, the caller reaches the queue; only a
// sent text ends the call.
func TestOutcomes(t *testing.T) {
	files := []file{read(t, "deflect_offer.xml"), read(t, "deflect_accepted.xml")}
	outcomes := append(deflect.Outcomes(), "", "nonsense")
	for _, start := range []string{"18005550100", "+18005550100", "deflect_accepted"} {
		for _, o := range outcomes {
			ran := walk(t, files, start, map[string]string{"deflect_outcome": string(o)})
			socket := slices.IndexFunc(ran, func(a action) bool { return a.Application == "socket" })
			if socket < 0 || ran[socket].Data != "127.0.0.1:8084 async full" {
				t.Fatalf("%s: socket in %v", start, ran)
			}
			if !slices.Contains(ran[:socket], action{"set", "socket_resume=true"}) {
				t.Errorf("%s: socket_resume is not set before the socket: %v", start, ran)
			}
			if accepted := slices.Contains(ran[:socket], action{"set", "deflect_mode=accepted"}); accepted != (start == "deflect_accepted") {
				t.Errorf("%s: mode accepted is %v", start, accepted)
			}
			want := action{"transfer", "5900 XML default"}
			if o == deflect.Sent {
				want = action{"hangup", "NORMAL_CLEARING"}
			}
			if last := ran[len(ran)-1]; last != want {
				t.Errorf("%s, outcome %q ends with %v, want %v", start, o, last, want)
			}
		}
	}
	// Whoever was asked and did not say that the text arrived keeps the place in the queue.
	for confirmed, want := range map[string]string{"true": "hangup", "": "hangup", "false": "transfer", "yes": "transfer", "nonsense": "transfer"} {
		ran := walk(t, files, "18005550100", map[string]string{"deflect_outcome": "sent", "deflect_confirmed": confirmed})
		if last := ran[len(ran)-1]; last.Application != want {
			t.Errorf("deflect_confirmed=%q ends with %v, want %s", confirmed, last, want)
		}
	}
	if ran := walk(t, files, "18005550199", nil); len(ran) > 0 {
		t.Errorf("another number runs %v", ran)
	}
}

// Only applications that every FreeSWITCH has, and the one queue that a file is for:
// an unknown one hangs the caller up.
func TestApplications(t *testing.T) {
	everywhere := []string{"set", "socket", "transfer", "hangup"}
	waiting := append([]string{"answer", "event", "playback"}, everywhere...)
	known := map[string][]string{
		"deflect_offer.xml":      everywhere,
		"deflect_accepted.xml":   everywhere,
		"deflect_callcenter.xml": append([]string{"callcenter"}, waiting...),
		"deflect_fifo.xml":       append([]string{"fifo"}, waiting...),
	}
	for _, name := range names(t) {
		for _, e := range read(t, name).Extensions {
			for _, c := range e.Conditions {
				for _, a := range c.Actions {
					if !slices.Contains(known[name], a.Application) {
						t.Errorf("%s: %s runs %s", name, e.Name, a.Application)
					}
				}
			}
		}
	}
}

// names lists the files in the order in which the switch reads them.
func names(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("*.xml")
	if err != nil || len(list) == 0 {
		t.Fatalf("no XML files: %v", err)
	}
	return list
}

// The switch replaces $${x} line by line while it reads the files in the order of
// their names: a setting counts from the next line on. Two files that are there
// together must not set the same one.
func TestSettings(t *testing.T) {
	set := regexp.MustCompile(`^  <X-PRE-PROCESS cmd="set" data="(\w+)=([^"]+)"/>$`)
	early, late := regexp.MustCompile(`\$\$\{([^}]*)\}`), regexp.MustCompile(`(?:^|[^$])\$\{([^}]*)\}`)
	setBy, usedBy := map[string]string{}, map[string]string{}
	for _, name := range names(t) {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		here := map[string]bool{}
		for i, line := range strings.Split(string(raw), "\n") {
			for _, m := range early.FindAllStringSubmatch(line, -1) {
				usedBy[m[1]] = name
				if !here[m[1]] {
					t.Errorf("%s:%d uses $${%s}, which nothing above it in this file sets", name, i+1, m[1])
				}
			}
			if !strings.Contains(line, "X-PRE-PROCESS") {
				continue
			}
			m := set.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("%s:%d: one setting a line, and nothing else: %s", name, i+1, line)
				continue
			}
			if other, ok := setBy[m[1]]; ok {
				t.Errorf("%s sets %s, as %s does", name, m[1], other)
			}
			here[m[1]], setBy[m[1]] = true, name
		}
		for _, e := range read(t, name).Extensions {
			for _, c := range e.Conditions {
				for _, a := range c.Actions {
					for _, m := range late.FindAllStringSubmatch(a.Data, -1) {
						usedBy[m[1]] = name
					}
				}
			}
		}
	}
	for name, file := range usedBy {
		if setBy[name] == "" && !slices.Contains(ofChannel, name) {
			t.Errorf("%s uses %s, which no file sets", file, name)
		}
	}
	for name, file := range setBy {
		if usedBy[name] == "" {
			t.Errorf("%s sets %s, which nothing uses", file, name)
		}
	}
}
