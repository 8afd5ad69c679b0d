package freeswitchtest

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// replayTo replays a recording and gives what arrived at the peer that writes
// the given commands at once.
func replayTo(t *testing.T, r Replayer, data []byte, commands ...string) (ReplayResult, []byte) {
	t.Helper()
	here, there := net.Pipe()
	received := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(here)
		received <- all
	}()
	go func() {
		for _, c := range commands {
			if _, err := here.Write([]byte(c + "\n\n")); err != nil {
				return
			}
		}
	}()
	result, err := r.Replay(t.Context(), there, bytes.NewReader(data))
	if err != nil {
		t.Error(err)
	}
	_ = here.Close()
	return result, <-received
}

// The recorded commands, however early, bring out every recorded byte.
func TestReplayAllTranscripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(transcripts, "*.jsonl"))
	if err != nil || len(files) != 23 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		bubble(t, name, func(t *testing.T) {
			data := openRecording(t, name)
			var commands []string
			var want strings.Builder
			var last float64
			for _, l := range decodeLines(t, data) {
				switch l.Dir {
				case ">":
					commands = append(commands, strings.Split(strings.TrimSuffix(l.Data, "\n\n"), "\n\n")...)
				case "<":
					want.WriteString(l.Data)
					last = l.T
				}
			}
			begin := time.Now()
			result, got := replayTo(t, Replayer{}, data, commands...)
			equal(t, "bytes", string(got), want.String())
			equal(t, "commands", result.Commands, commands)
			equal(t, "sent", result.Sent, result.Of)
			if took := time.Since(begin).Seconds(); took < last-0.01 || took > last+1.1 {
				t.Errorf("took %v s, recorded %v s", took, last)
			}
			if bad := name == "errors" || strings.HasPrefix(name, "inbound"); bad == (len(result.Violations) == 0) {
				t.Errorf("violations: %q", result.Violations)
			}
		})
	}
}

// A peer that says less than the recorded one gets no reply to what it has
// not said, and the events all the same.
func TestReplayFewerCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result, got := replayTo(t, Replayer{}, openRecording(t, "accept"), "connect", "myevents")
		equal(t, "replies", strings.Count(string(got), "command/reply"), 2)
		equal(t, "digits", strings.Count(string(got), "DTMF-Digit: 1"), 1)
		equal(t, "left out", result.Of-result.Sent, 11)
	})
}

func TestReplayMoreCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		more := slices.Repeat([]string{"noevents", "nosuch"}, 50)
		result, _ := replayTo(t, Replayer{Speed: 2}, openRecording(t, "anonymous"), more...)
		equal(t, "commands", len(result.Commands), 100)
		equal(t, "violations", len(result.Violations), 50)
		equal(t, "sent", result.Sent, result.Of)
	})
}

func TestReplayWaitsForCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		here, there := net.Pipe()
		defer here.Close()
		result, err := Replayer{Quiet: -1}.Replay(ctx, there, bytes.NewReader(openRecording(t, "accept")))
		if err == nil {
			t.Error("no error")
		}
		equal(t, "sent", result.Sent, 0)
	})
}

// The events of a recording carry the ids that the peer has chosen.
func TestReplayRenames(t *testing.T) {
	commands := append(slices.Clone(setUp), exec("answer", "", "my answer"), exec("playback", "offer.wav", "first"),
		exec("break", "", ""), exec("playback", "sent.wav", "second"), "resume", "exit")
	for _, keep := range []bool{false, true} {
		bubble(t, map[bool]string{false: "renamed", true: "kept"}[keep], func(t *testing.T) {
			_, got := replayTo(t, Replayer{KeepUUIDs: keep}, openRecording(t, "accept"), commands...)
			want := []string{"my%20answer", "3a5a3771-0aa9-4c7e-8614-4361d8887d1b", "first", "set-1", "second"}
			if keep {
				want = []string{"ans-1", "3a5a3771-0aa9-4c7e-8614-4361d8887d1b", "offer-1", "set-1", "bye-1"}
			}
			var ids []string
			for size := frameSize(got); size > 0; size = frameSize(got) {
				if id, ok := bodyHeader(string(got[:size]), "Application-UUID"); ok {
					ids = append(ids, id)
				}
				got = got[size:]
			}
			equal(t, "rest", string(got), "")
			equal(t, "ids", ids, want)
		})
	}
}

func TestReplayPeerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		go func() {
			_, _ = here.Write([]byte("connect\n\n"))
			_ = here.Close()
		}()
		result, err := Replay(t.Context(), there, bytes.NewReader(openRecording(t, "accept")))
		if err != nil || result.Sent > 1 || len(result.Commands) != 1 {
			t.Errorf("got %+v, %v", result, err)
		}
	})
}

func TestReplayBadTranscript(t *testing.T) {
	for name, text := range map[string]string{"json": "{", "direction": `{"t":0,"dir":"!","data":""}`} {
		t.Run(name, func(t *testing.T) {
			_, there := net.Pipe()
			if _, err := Replay(t.Context(), there, strings.NewReader(text)); err == nil {
				t.Error("no error")
			}
		})
	}
}
