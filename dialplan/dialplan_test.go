package dialplan_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
var ofChannel = []string{"profile_index", "profile_created_time", "last_sched_id"}

// ofFiles is what the files themselves set for later.
var ofFiles = []string{"deflect_watchdog"}

// walk runs a call from outside through the extensions.
func walk(t *testing.T, files []file, destination string, vars map[string]string) []action {
	t.Helper()
	return journey{to: destination, vars: vars}.walk(t, files)
}

// A journey is one call's way through the extensions.
type journey struct {
	to    string            // the extension where it begins
	from  string            // the extension that transferred it there, "" for a call from outside
	rdnis string            // of a call from outside: mod_verto takes it from the browser
	vars  map[string]string // of the channel, when deflectd has given it back
	hangs bool              // deflectd does not give it back
}

// walk runs a call through the extensions as the XML dialplan does: the first
// extension whose conditions all match, then again at every transfer. It returns
// the applications that ran. A call that has ended its way has no task of the files
// left, but every other one, and no socket_resume.
func (j journey) walk(t *testing.T, files []file) []action {
	t.Helper()
	globals, vars := map[string]string{}, map[string]string{}
	var all []extension
	for _, f := range files {
		for _, s := range f.Settings {
			name, value, _ := strings.Cut(s.Data, "=")
			globals[name] = value
		}
		all = append(all, f.Extensions...)
	}
	fields := map[string]string{"destination_number": j.to, "rdnis": j.rdnis}
	transfer := func(from, to string) {
		fields = map[string]string{"destination_number": to, "rdnis": from, "transfer_source": "1:2:bl_xfer:" + to}
	}
	if j.from != "" {
		transfer(j.from, j.to)
	}
	// $${x} is replaced when the files are read, ${x} when the action runs.
	expand := func(s string) string {
		for name, value := range globals {
			s = strings.ReplaceAll(s, "$${"+name+"}", value)
			s = strings.ReplaceAll(s, "${"+name+"}", value)
		}
		for name, value := range vars {
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
	tasks, last := map[string]string{"1": "of somebody else"}, 1
	var ran []action
	for range 6 { // transfers
		next := ""
		for _, e := range all {
			var actions []action
			matches := true
			for _, c := range e.Conditions {
				value := fields[c.Field]
				if name, ok := strings.CutPrefix(c.Field, "${"); ok {
					value = j.vars[strings.TrimSuffix(name, "}")]
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
				words := strings.Fields(a.Data)
				switch a.Application {
				case "transfer":
					next = words[0]
				case "set":
					name, value, _ := strings.Cut(a.Data, "=")
					vars[name] = value
				case "unset":
					delete(vars, a.Data)
				case "sched_transfer":
					last++
					tasks[strconv.Itoa(last)], vars["last_sched_id"] = words[1], strconv.Itoa(last)
				case "sched_cancel":
					if a.Data == "" {
						clear(tasks) // all of the channel
					}
					delete(tasks, a.Data)
				case "socket":
					// Somebody else schedules something meanwhile.
					last++
					tasks[strconv.Itoa(last)], vars["last_sched_id"] = "of somebody else", strconv.Itoa(last)
					if j.hangs {
						for id, to := range tasks {
							if to != "of somebody else" {
								next = to
								delete(tasks, id)
							}
						}
					}
				}
				if next != "" {
					break
				}
			}
			break
		}
		if next == "" {
			if vars["socket_resume"] != "" {
				t.Errorf("%+v ends with socket_resume set: %v", j, ran)
			}
			for id, to := range tasks {
				if to != "of somebody else" {
					t.Errorf("%+v ends with task %s, which will transfer it to %s: %v", j, id, to, ran)
				}
			}
			if len(tasks) != last-strings.Count(fmt.Sprint(ran), "{sched_transfer ") {
				t.Errorf("%+v: the tasks of somebody else are gone: %v are left", j, tasks)
			}
			return ran
		}
		transfer(fields["destination_number"], next)
	}
	t.Errorf("the call goes round in circles: %v", ran)
	return ran
}

// begins are the ways to deflectd: the number dialled, and a menu of that number.
var begins = []journey{{to: "18005550100"}, {to: "+18005550100"}, {to: "deflect_accepted", from: "18005550100"}}

// Whatever the outcome, also none at all, the caller reaches the queue; only a
// sent text ends the call, and one that waits for a team that is closed.
func TestOutcomes(t *testing.T) {
	files := []file{read(t, "deflect_offer.xml"), read(t, "deflect_accepted.xml")}
	outcomes := append(deflect.Outcomes(), "", "nonsense")
	for _, begin := range begins {
		start := begin.to
		for _, o := range outcomes {
			begin.vars = map[string]string{"deflect_outcome": string(o)}
			ran := begin.walk(t, files)
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
	// Who heard nothing does not know of the text.
	for heard, want := range map[string]string{"true": "hangup", "": "hangup", "false": "transfer", "nonsense": "transfer"} {
		ran := walk(t, files, "18005550100", map[string]string{"deflect_outcome": "sent", "deflect_heard": heard, "deflect_confirmed": "true"})
		if last := ran[len(ran)-1]; last.Application != want {
			t.Errorf("deflect_heard=%q ends with %v, want %s", heard, last, want)
		}
	}
	// A text that waits ends the call of a caller who calls while nobody is there, and has heard so.
	for _, reason := range append(deflect.Reasons(deflect.Deferred), "", "nonsense") {
		for _, heard := range []string{"true", "", "false", "nonsense"} {
			want := action{"transfer", "5900 XML default"}
			if reason == deflect.ReasonOutsideHours && (heard == "true" || heard == "") {
				want = action{"hangup", "NORMAL_CLEARING"}
			}
			for _, begin := range begins {
				begin.vars = map[string]string{"deflect_outcome": "deferred", "deflect_reason": string(reason), "deflect_heard": heard}
				ran := begin.walk(t, files)
				if last := ran[len(ran)-1]; last != want {
					t.Errorf("%s, deferred for %q, deflect_heard=%q ends with %v, want %v", begin.to, reason, heard, last, want)
				}
			}
		}
	}
	// That a team is closed is no text.
	ran := walk(t, files, "18005550100", map[string]string{"deflect_outcome": "ineligible", "deflect_reason": "outside_hours"})
	if last := ran[len(ran)-1]; last.Application != "transfer" {
		t.Errorf("outside of hours ends with %v", last)
	}
	if ran := walk(t, files, "18005550199", nil); len(ran) > 0 {
		t.Errorf("another number runs %v", ran)
	}
}

// A deflectd that hangs keeps nobody: the switch goes on by itself, and what is left of
// the socket can do the call no harm any more.
func TestHangingDaemon(t *testing.T) {
	files := []file{read(t, "deflect_accepted.xml"), read(t, "deflect_offer.xml")}
	for _, begin := range begins {
		begin.hangs = true
		ran := begin.walk(t, files)
		socket := slices.IndexFunc(ran, func(a action) bool { return a.Application == "socket" })
		if socket < 0 || !slices.Contains(ran[:socket], action{"sched_transfer", "+90 deflect_stuck"}) {
			t.Fatalf("%s: no watchdog before the socket: %v", begin.to, ran)
		}
		want := []action{{"unset", "socket_resume"}, {"unset", "deflect_watchdog"}, {"transfer", "deflect_done"}, {"transfer", "5900 XML default"}}
		if after := ran[socket+1:]; !slices.Equal(after, want) {
			t.Errorf("%s: after a deflectd that hangs runs %v, want %v", begin.to, after, want)
		}
	}
	raw, err := os.ReadFile("deflect_offer.xml")
	if err != nil {
		t.Fatal(err)
	}
	// At once, while the transfer still protects the call from the end of the socket.
	if !strings.Contains(string(raw), `application="unset" data="socket_resume" inline="true"`) {
		t.Error("deflect_stuck leaves a moment in which the end of the socket can lose the caller")
	}
}

// Strangers can dial every extension of the context. Those that a call is transferred
// to are closed to them, whatever they make the switch take as the RDNIS, and there is
// no text for a call that comes from somewhere else.
func TestDialedFromOutside(t *testing.T) {
	var files []file
	for _, name := range names(t) {
		files = append(files, read(t, name))
	}
	for _, f := range files {
		for _, e := range f.Extensions {
			name, ok := strings.CutPrefix(e.Conditions[0].Expression, "^")
			if !ok { // a number to be dialled
				continue
			}
			name = strings.TrimSuffix(name, "$")
			for _, rdnis := range []string{"", "18005550100", "deflect_accepted"} {
				stranger := journey{to: name, rdnis: rdnis, vars: map[string]string{"deflect_outcome": "sent"}}
				if ran := stranger.walk(t, files); len(ran) > 0 {
					t.Errorf("%s, dialled with RDNIS %q, runs %v", name, rdnis, ran)
				}
			}
			if ran := (journey{to: name, from: "18005550100"}).walk(t, files); len(ran) == 0 {
				t.Errorf("%s is closed to the dialplan as well", name)
			}
		}
	}
	ran := journey{to: "deflect_accepted", from: "5000"}.walk(t, files)
	if last := ran[len(ran)-1]; last != (action{"transfer", "5900 XML default"}) || slices.ContainsFunc(ran, func(a action) bool { return a.Application == "socket" }) {
		t.Errorf("deflect_accepted from another menu runs %v", ran)
	}
}

// Only applications that every FreeSWITCH has, and the one queue that a file is for:
// an unknown one hangs the caller up.
func TestApplications(t *testing.T) {
	everywhere := []string{"set", "unset", "socket", "sched_transfer", "sched_cancel", "transfer", "hangup"}
	waiting := append([]string{"answer", "event", "playback"}, everywhere...)
	known := map[string][]string{
		"deflect_offer.xml":      everywhere,
		"deflect_accepted.xml":   append([]string{"log"}, everywhere...),
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
func TestSettingsAreSetOnceAndBeforeTheirUse(t *testing.T) {
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
		if setBy[name] == "" && !slices.Contains(ofChannel, name) && !slices.Contains(ofFiles, name) {
			t.Errorf("%s uses %s, which no file sets", file, name)
		}
	}
	for name, file := range setBy {
		if usedBy[name] == "" {
			t.Errorf("%s sets %s, which nothing uses", file, name)
		}
	}
}
