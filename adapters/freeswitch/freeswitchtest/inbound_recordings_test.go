package freeswitchtest

import (
	"bytes"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestInboundRecordings plays the recorded client against the double and
// compares what the switch had said.
func TestInboundRecordings(t *testing.T) {
	for _, name := range []string{"inbound", "inbound_auth_fail"} {
		bubble(t, name, func(t *testing.T) { compareInbound(t, name) })
	}
}

func compareInbound(t *testing.T, name string) {
	data := openRecording(t, name)
	rec, err := readRecording(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	s := &Switch{}
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); s.ServeConn(there) }()
	start := time.Now()
	frames := make(chan []recordedFrame)
	go func() { frames <- readFrames(here, start) }()
	if name == "inbound" {
		rec.frames = withoutOtherCalls(rec.frames)
		go recordedCaller(s, rec, start)
	}
	for _, w := range recordedWrites(t, data) {
		time.Sleep(time.Until(start.Add(w.at)))
		if _, err := here.Write([]byte(w.data)); err != nil {
			t.Errorf("at %v: %v", w.at, err)
		}
	}
	got := <-frames
	_ = here.Close()
	<-done
	if diff := cmp.Diff(inboundSummaries(rec.frames), inboundSummaries(got)); diff != "" {
		t.Errorf("frames (-recorded +double):\n%s", diff)
	}
	for i := range min(len(got), len(rec.frames)) {
		if d := (got[i].at - rec.frames[i].at).Abs(); d > 60*time.Millisecond {
			t.Errorf("frame %d came at %v, recorded at %v", i, got[i].at, rec.frames[i].at)
		}
	}
}

// withoutOtherCalls leaves out what was recorded of the telephone that called.
func withoutOtherCalls(frames []recordedFrame) []recordedFrame {
	var own []recordedFrame
	for _, f := range frames {
		if !strings.Contains(string(f.data), "\nCall-Direction: outbound\n") {
			own = append(own, f)
		}
	}
	return own
}

// recordedCaller does what the recorded caller did.
func recordedCaller(s *Switch, rec recording, start time.Time) {
	var w *Waiting
	for _, f := range rec.frames {
		body := "\n" + string(f.data)
		name, _ := bodyHeader(body, "Event-Name")
		if name == "" || strings.Contains(body, "api/response") {
			continue
		}
		time.Sleep(time.Until(start.Add(f.at)))
		switch name {
		case eventCustom:
			c := jane()
			c.DNIS, c.Vars = "18005550101", map[string]string{"deflect_offer": "true", "deflect_skill": "sales"}
			c.UUID, _ = bodyHeader(body, "Unique-ID")
			w = s.Park(c)
			w.Announce()
		case "DTMF":
			w.Press("1")
		case eventReport:
			w.do(func() { w.killLocked("") }) // the extension did it
		}
	}
}

// unlike is what the recorded dialplan did otherwise: it waited in a playback,
// announced the call before the telephone had confirmed the answer, and hung
// up by itself.
var unlike = regexp.MustCompile(`^variable_(current_application.*|playback_.*|last_app|last_arg|sip_to_tag|sip_from_tag|sip_cseq|sip_call_id|` +
	`sip_full_via|sip_from_display|sip_full_from|sip_full_to)(:|$)`)

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func inboundSummaries(frames []recordedFrame) []string {
	all := summaries(frames, "inbound")
	for i, text := range all {
		lines := slices.DeleteFunc(strings.Split(text, "\n"), unlike.MatchString)
		from := slices.IndexFunc(lines, isVariable)
		if from >= 0 {
			to := from + 1
			for to < len(lines) && isVariable(lines[to]) {
				to++
			}
			slices.Sort(lines[from:to])
		}
		all[i] = strings.Join(lines, "\n")
		if strings.Contains(text, "Job-UUID") {
			all[i] = anyUUID.ReplaceAllString(all[i], "random")
		}
	}
	return all
}

func isVariable(line string) bool { return strings.HasPrefix(line, "variable_") }
