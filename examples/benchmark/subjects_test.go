package main

import (
	"encoding/json"
	"os/exec"
	"runtime"
	"slices"
	"testing"
)

const recorded = "../../adapters/freeswitch/testdata/transcripts/accept.jsonl"

func testRecording(t *testing.T) *recording {
	t.Helper()
	rec, err := readRecording(recorded)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// TestSubjects shows that what is compared works: every subject serves calls as the
// switch wants them, and its requests pass the strict double.
func TestSubjects(t *testing.T) {
	rec := testRecording(t)
	a, err := newAPI()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	for _, name := range append(slices.Clone(serving), withJournal, withRedis, withC2M) {
		t.Run(name, func(t *testing.T) {
			store := t.TempDir()
			if name == withRedis {
				if _, err := exec.LookPath(redisServer); err != nil {
					t.Skipf("no Redis to test with: %v", err)
				}
				r, err := startRedis(t.Context(), store)
				if err != nil {
					t.Fatal(err)
				}
				defer r.stop()
				store = r.address
			}
			c, err := start(t.Context(), name, 1, rec, a, store)
			if err != nil {
				t.Fatal(err)
			}
			const calls = judged + 20
			p, err := c.closed(calls, 8)
			if err != nil {
				t.Error(err)
			}
			for i := range p.marks {
				m := &p.marks[i]
				if pressed := m.pressed.Load(); pressed == 0 || m.request.Load() < pressed || m.command.Load() < pressed {
					t.Fatalf("call %d: key at %d, request at %d, command at %d", i, pressed, m.request.Load(), m.command.Load())
				}
			}
			if err := c.stop(); err != nil {
				t.Error(err)
			}
			if got := len(a.judge.Load().double.Sent()) + len(a.judge.Load().c2m.Invites()); got != judged {
				t.Errorf("the double sent %d texts, want %d", got, judged)
			}
			for _, i := range a.judge.Load().c2m.Invites() {
				if name != withC2M || i.Skill != skill || i.Message != textMessage || i.Number[:5] != "+1404" || len(i.Asked.SDEs) == 0 {
					t.Fatalf("asked for %+v", i)
				}
			}
			for _, d := range a.judge.Load().double.Sent() {
				if name == withC2M || d.Skill != skill || d.DeflectionText != textMessage || d.DeflectionHandle[:4] != "1404" {
					t.Fatalf("asked for %+v", d)
				}
				var info struct{ Plan string }
				if err := json.Unmarshal(d.CallerInfo, &info); err != nil || info.Plan != "Gold Über & more" {
					t.Fatalf("the agent sees %s", d.CallerInfo)
				}
			}
		})
	}
}

// TestCore shows that every way of the core sends texts that pass the double.
func TestCore(t *testing.T) {
	a, err := newAPI()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	for _, way := range ways {
		a.fresh()
		c, err := newCore(a.url)
		if err != nil {
			t.Fatal(err)
		}
		const calls = 5
		got, err := c.block(t.Context(), way, calls)
		if runtime.GOOS == "linux" && err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if err := a.verdict(); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if n := len(a.judge.Load().double.Sent()); n != calls || got.Mallocs == 0 {
			t.Errorf("%s: %d texts, %+v", way, n, got)
		}
	}
}

func TestVerdict(t *testing.T) {
	a, err := newAPI()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if a.verdict() == nil {
		t.Error("no request is fine")
	}
	text := newTexter(a.url)
	id := identify(1)
	c := caller{uuid: id.uuid, from: id.number, to: dialed, skill: "", since: micros("1795229285160615")}
	if _, err := text.send(t.Context(), c); err == nil {
		t.Error("a request without a skill is fine")
	}
	if a.verdict() == nil {
		t.Error("the verdict on it is fine")
	}
}
