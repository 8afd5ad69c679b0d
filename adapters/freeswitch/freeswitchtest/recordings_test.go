package freeswitchtest

import (
	"bytes"
	"net"
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

const transcripts = "../testdata/transcripts"

func openRecording(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(transcripts, name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A recorded write of the peer.
type write struct {
	at   time.Duration
	data string
}

func jane() Call {
	return Call{
		ANI: "+14043438646", DNIS: "18005550100", CallerName: "Jane Doe",
		Vars:         map[string]string{"deflect_skill": "sales", "deflect_info_plan": "Gold Über & more"},
		SocketResume: true,
		Prompts: map[string]time.Duration{
			"tone_stream://%(10000,0,350,440)": 10 * time.Second,
			"tone_stream://%(2000,0,350,440)":  2 * time.Second,
			"tone_stream://%(1000,0,350,440)":  time.Second,
			"tone_stream://%(300,0,600)":       300 * time.Millisecond,
		},
	}
}

// TestRecordings plays the recorded peer against the double and compares
// what the switch had said.
func TestRecordings(t *testing.T) {
	hidden := jane()
	hidden.HideNumber = true
	hostile := jane()
	hostile.CallerName = "Zoë %{system(touch /var/pwned2)} A+\n"
	for name, call := range map[string]Call{
		"accept": jane(), "other_digit": jane(), "no_digit": jane(), "dtmf_burst": jane(), "full_myevents": jane(),
		"hangup_before_answer": jane(), "hangup_during_prompt": jane(), "hangup_no_linger": jane(),
		"errors": jane(), "transfer": jane(), "killed": jane(), "anonymous": hidden, "hostile_caller": hostile,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { compareWithRecording(t, name, call) })
		})
	}
}

func compareWithRecording(t *testing.T, name string, call Call) {
	data := openRecording(t, name)
	rec, err := readRecording(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	writes := recordedWrites(t, data)
	call.UUID, _ = bodyHeader("\n"+string(rec.frames[0].data), "Unique-ID")
	call.Script = recordedScript(name, rec)

	here, there := net.Pipe()
	results := make(chan Result, 1)
	go func() {
		r, err := call.Run(t.Context(), there)
		if err != nil {
			t.Error(err)
		}
		results <- r
	}()
	start := time.Now()
	frames := make(chan []recordedFrame)
	go func() { frames <- readFrames(here, start) }()
	for _, w := range writes {
		time.Sleep(time.Until(start.Add(w.at)))
		if _, err := here.Write([]byte(w.data)); err != nil {
			t.Errorf("at %v: %v", w.at, err)
		}
	}
	if !rec.closed {
		time.Sleep(time.Until(start.Add(rec.lastAt() + 100*time.Millisecond)))
		_ = here.Close()
	}
	got := <-frames
	_ = here.Close()
	<-results

	if diff := cmp.Diff(summaries(rec.frames, name), summaries(got, name)); diff != "" {
		t.Errorf("frames (-recorded +double):\n%s", diff)
	}
	for i := range min(len(got), len(rec.frames)) {
		if d := (got[i].at - rec.frames[i].at).Abs(); d > 60*time.Millisecond {
			t.Errorf("frame %d came at %v, recorded at %v:\n%s", i, got[i].at, rec.frames[i].at, summary(got[i].data, name))
		}
	}
}

func recordedWrites(t *testing.T, data []byte) []write {
	t.Helper()
	var writes []write
	for _, l := range decodeLines(t, data) {
		if l.Dir == ">" {
			writes = append(writes, write{time.Duration(l.T * float64(time.Second)), l.Data})
		}
	}
	return writes
}

// recordedScript lets the caller do what the recorded one did.
func recordedScript(name string, rec recording) []Action {
	var script []Action
	for _, f := range rec.frames {
		body := "\n" + string(f.data)
		switch event, _ := bodyHeader(body, "Event-Name"); event {
		case "DTMF":
			digit, _ := bodyHeader(body, "DTMF-Digit")
			script = append(script, Press(decoded(digit)).SinceConnect(f.at))
		case eventHangup:
			switch name {
			case "errors", "transfer": // the peer did it
			case "killed":
				script = append(script, Kill().SinceConnect(f.at))
			default:
				script = append(script, HangUp().SinceConnect(f.at))
			}
		}
	}
	return script
}

func readFrames(conn net.Conn, start time.Time) []recordedFrame {
	var frames []recordedFrame
	var pending []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		pending = append(pending, buf[:n]...)
		for {
			size := frameSize(pending)
			if size == 0 {
				break
			}
			frames = append(frames, recordedFrame{at: time.Since(start), data: bytes.Clone(pending[:size])})
			pending = pending[size:]
		}
		if err != nil {
			return frames
		}
	}
}

// volatile values differ from call to call; the names of their headers do
// not.
var volatile = regexp.MustCompile(`^(Core-UUID|Event-Date-.*|Event-Sequence|Content-Length|` +
	`(Caller|Channel)-(Profile-Created|Channel-Created|Channel-Answered|Channel-Hangup)-Time|.*Transfer-Source|` +
	`variable_(session_id|sip_call_id|sip_from_tag|sip_to_tag|sip_cseq|sip_invite_stamp|sip_full_via|sip_full_from|sip_full_to|` +
	`switch_r_sdp|remote_media_port|rtp_local_sdp_str|local_media_port|rtp_use_ssrc|.*stamp|.*epoch|.*sec|.*duration|transfer_.*|` +
	`playback_last_offset_pos|rtp_audio_.*))$`)

func summaries(frames []recordedFrame, name string) []string {
	var all []string
	for _, f := range frames {
		all = append(all, summary(f.data, name))
	}
	return all
}

// summary is a frame without its volatile values. Its two variables of the
// dialplan are in one order.
func summary(frame []byte, name string) string {
	var out []string
	id, _ := bodyHeader("\n"+string(frame), "Application-UUID")
	for line := range strings.SplitSeq(string(frame), "\n") {
		header, value, ok := strings.Cut(line, ": ")
		switch {
		case !ok:
		case name == "hostile_caller" && notTheTelephone(header, value):
			continue // recorded with another telephone
		case volatile.MatchString(header):
			line = header
		case header == "Application-UUID" && len(id) == 36:
			line = header + ": random"
		}
		out = append(out, line)
	}
	if i := slices.IndexFunc(out, func(s string) bool { return strings.HasPrefix(s, "variable_deflect_") }); i >= 0 {
		slices.Sort(out[i : i+2])
	}
	return strings.Join(out, "\n")
}

func notTheTelephone(header, value string) bool {
	return strings.HasPrefix(header, "variable_") && !strings.HasPrefix(header, "variable_deflect") ||
		strings.HasSuffix(header, "Channel-Name") || strings.HasSuffix(value, "5090")
}
