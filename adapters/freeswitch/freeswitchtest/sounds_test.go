package freeswitchtest

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestMissingSoundsAreNotPlayed(t *testing.T) {
	prefix, elsewhere := t.TempDir(), t.TempDir()
	for _, name := range []string{prefix + "/ivr/a.wav", prefix + "/ivr/8000/b.wav", elsewhere + "/c.wav"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exists := Sounds(prefix)
	for file, want := range map[string]bool{
		"ivr/a.wav":                         true,
		"{volume=2}ivr/a.wav":               true,
		"ivr/a.wav@@8000":                   true,
		"ivr/b.wav":                         true,
		"ivr/c.wav":                         false,
		"c.wav":                             false,
		"a.wav":                             false,
		"ivr":                               false,
		"":                                  false,
		elsewhere + "/c.wav":                true,
		elsewhere + "/d.wav":                false,
		"tone_stream://%(100,0,440)":        true,
		"file_string://ivr/a.wav!ivr/b.wav": true,
		"file_string://ivr/a.wav@@8000!ivr/d.wav": false,
		"file_string://ivr/a.wav!ivr/d.wav":       false,
		"say:hello":                               true,
		"say en number iterated 12":               true,
		"phrase:hello":                            true,
	} {
		if got := exists(file); got != want {
			t.Errorf("%q: %v", file, got)
		}
	}
}

// A file that Exists does not know of ends as one of Missing does.
func TestExists(t *testing.T) {
	only := func(file string) bool { return file == "there.wav" }
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{Answered: true, SocketResume: true, Exists: only, Missing: []string{"lost.wav"}})
		p.send("connect", exec("playback", "there.wav", "1"))
		time.Sleep(3 * time.Second)
		p.send(exec("playback", "nowhere.wav", "2"), exec("playback", "lost.wav", "3"), exec("say", "en number iterated 1", "4"))
		time.Sleep(5 * time.Second)
		p.send("resume", "exit")
		var got []string
		for _, played := range (<-results).Played {
			got = append(got, played.Response)
		}
		equal(t, "responses", got, []string{"FILE PLAYED", "FILE NOT FOUND", "FILE NOT FOUND", ""})
	})
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{Exists: only}
		w := s.Park(Call{})
		own := s.Park(Call{Exists: func(string) bool { return true }})
		for _, call := range []*Waiting{w, own} {
			s.mu.Lock()
			call.broadcastLocked("nowhere.wav", "aleg")
			call.broadcastLocked("there.wav", "aleg")
			s.mu.Unlock()
		}
		time.Sleep(10 * time.Second)
		var got []string
		for _, played := range append(w.Result().Played, own.Result().Played...) {
			got = append(got, played.Response)
		}
		equal(t, "responses", got, []string{"FILE NOT FOUND", "FILE PLAYED", "FILE PLAYED", "FILE PLAYED"})
	})
}
