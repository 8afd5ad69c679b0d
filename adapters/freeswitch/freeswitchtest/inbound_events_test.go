package freeswitchtest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A fixture is one frame of the switch, recorded on connections that programs
// had dialled.
type fixture struct{ Name, Command, Frame string }

func fixtures(t *testing.T, file string) []fixture {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var all []fixture
	for line := range bytes.Lines(data) {
		var f fixture
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// TestInboundEvents lets calls go through what the recorded ones did and looks
// for each recorded event among those of the double: the same headers in the
// same order, values of the same kind.
func TestInboundEvents(t *testing.T) {
	events := fixtures(t, "inbound_events.jsonl")
	for name, play := range map[string]func(s *Switch, p *peer){
		"park": playPark, callcenter: playCallcenter, fifo: playFifo, "parked": playParked,
	} {
		var got []string
		bubble(t, name, func(t *testing.T) {
			s := &Switch{
				Prompts: map[string]time.Duration{
					"tone_stream://%(1000,0,600)": time.Second, "tone_stream://%(3000,0,600)": 3 * time.Second,
				},
				Missing: []string{"nosuch/file.wav"},
			}
			p := login(t, s, "event json ALL")
			play(s, p)
			synctest.Wait()
			for len(p.frames) > 0 {
				if f := p.next(); strings.Contains(f, "text/event-json") {
					got = append(got, f)
				}
			}
			equal(t, "violations", s.Violations(), nil)
		})
		for _, f := range events {
			if flavour, _, _ := strings.Cut(f.Name, " "); flavour == name {
				t.Run(f.Name, func(t *testing.T) { findEvent(t, f.Frame, got) })
			}
		}
	}
}

// recordedPerson is the caller of the recordings.
func recordedPerson(dnis string) Call {
	return Call{UUID: newUUID(), ANI: "+14043438646", DNIS: dnis, CallerName: "Jane Doe", Vars: map[string]string{"reached_queue": "true"}}
}

func playPark(s *Switch, p *peer) {
	w := s.Park(recordedPerson("18005550132"))
	w.Announce()
	p.send("api uuid_setvar_multi " + w.UUID() + " deflect_offer=on;deflect_x=1;deflect_y=")
	w.Press("1")
	for _, what := range []string{
		"tone_stream://%(1000,0,600)", "'say::en number iterated 123'", "nosuch/file.wav", "tone_stream://%(3000,0,600)",
	} {
		p.send("api uuid_broadcast " + w.UUID() + " " + what + " aleg")
	}
	time.Sleep(5 * time.Second)
	p.send("api uuid_break " + w.UUID())
	time.Sleep(time.Second)
	p.send("api uuid_transfer "+w.UUID()+" 9999 XML public", "sendevent CUSTOM\nEvent-Subclass: deflect::probe\nProbe: 7")
	time.Sleep(time.Second)
	s.Park(recordedPerson("18005550132")).HangUp()
}

func playCallcenter(s *Switch, p *peer) {
	c := recordedPerson("18005550130")
	c.Vars["deflect_info_Plan"] = "Gold"
	playAgent(s, p, c, callcenter)
}

func playFifo(s *Switch, p *peer) {
	c := recordedPerson("18005550131")
	c.Vars["fifo_music"] = "tone_stream://%(2000,4000,440,480);loops=-1"
	playAgent(s, p, c, fifo)
}

func playParked(s *Switch, p *peer) {
	c := recordedPerson("18005550131")
	c.Vars["fifo_music"] = "tone_stream://%(2000,4000,440,480);loops=-1"
	w := s.Park(c)
	w.do(func() { w.enqueueLocked(&agent{flavour: fifo}); w.ch.agent = nil })
	p.send("api uuid_setvar_multi "+w.UUID()+" deflect_offer=on", "api uuid_park "+w.UUID())
	time.Sleep(time.Second)
}

func playAgent(s *Switch, p *peer, c Call, flavour string) {
	w := s.Park(c)
	w.Announce()
	p.send("api uuid_setvar_multi " + w.UUID() + " deflect_offer=on")
	time.Sleep(time.Second)
	w.Agent(flavour)
	p.send("api uuid_broadcast " + w.UUID() + " tone_stream://%(1000,0,600) aleg")
	time.Sleep(2 * time.Second)
	w.Press("5")
	w.HangUp()
}

// findEvent compares with the first event that tells the same.
func findEvent(t *testing.T, want string, got []string) {
	t.Helper()
	for _, f := range got {
		if eventKey(f) != eventKey(want) {
			continue
		}
		if diff := cmp.Diff(eventShape(t, want), eventShape(t, f)); diff != "" {
			t.Errorf("(-recorded +double):\n%s", diff)
		}
		return
	}
	t.Errorf("no event %s among", eventKey(want))
	for _, f := range got {
		t.Log(eventKey(f))
	}
}

// eventKey tells which event of a story it is.
func eventKey(frame string) string {
	_, body, _ := strings.Cut(frame, "\n\n")
	var m map[string]string
	_ = json.Unmarshal([]byte(body), &m)
	key := m["Event-Name"]
	for _, name := range []string{
		"Event-Subclass", "Application", "Application-Data", "Playback-File-Path", "Playback-Status", "DTMF-Digit", "Hangup-Cause", "FIFO-Action",
	} {
		key += "|" + m[name]
	}
	return anyUUID.ReplaceAllString(key, "uuid")
}

var (
	microseconds = regexp.MustCompile(`\b\d{15,16}\b`)
	seconds      = regexp.MustCompile(`\b\d{9,10}\b`)
	stamps       = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	measures     = regexp.MustCompile(`^(Event-Sequence|Event-Date-GMT|DTMF-Duration|Caller-Channel-Progress-Media-Time|` +
		`Other-Leg-Channel-Progress-Media-Time|variable_(playback_.*|.*stamp|.*duration|.*sec))$`)
	// elsewhere is what belongs to the music, which the double does not play,
	// to the sounds of the recorded switch and to its early media.
	elsewhere = regexp.MustCompile(`^(playback_.*|sound_prefix|progress_media_stamp)$`)
)

// eventShape gives the lines name=value of an event, with kinds in place of
// values that differ from call to call. The variables of the telephone are
// left out and the others are sorted.
func eventShape(t *testing.T, frame string) []string {
	t.Helper()
	head, body, _ := strings.Cut(frame, "\n\n")
	lines := []string{regexp.MustCompile(`\d+`).ReplaceAllString(head, "<n>")}
	if !strings.HasPrefix(body, "{") {
		return append(lines, body)
	}
	var variables []string
	for name, value := range orderedObject(t, body) {
		line := name + "=" + kindOf(name, value)
		variable, ok := strings.CutPrefix(name, "variable_")
		switch {
		case !ok:
			lines = append(lines, line)
		case len(tmpl.index[variable]) == 0 && !elsewhere.MatchString(variable):
			variables = append(variables, line)
		}
	}
	slices.Sort(variables)
	return append(lines, variables...)
}

func kindOf(name, value string) string {
	if measures.MatchString(name) {
		return "<measure>"
	}
	value = anyUUID.ReplaceAllString(value, "<uuid>")
	value = microseconds.ReplaceAllString(value, "<microseconds>")
	value = stamps.ReplaceAllString(value, "<stamp>")
	if name != "Caller-ANI" {
		value = seconds.ReplaceAllString(value, "<seconds>")
	}
	return value
}

// orderedObject gives the members of an object of strings as they stand.
func orderedObject(t *testing.T, text string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		d := json.NewDecoder(strings.NewReader(text))
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
		for d.More() {
			name, _ := d.Token()
			value, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			if !yield(name.(string), value.(string)) {
				return
			}
		}
	}
}
