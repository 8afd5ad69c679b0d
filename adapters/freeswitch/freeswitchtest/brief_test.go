package freeswitchtest

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRecordingsInBrief plays recorded peers, whose calls came from other telephones,
// against the double: the same frames at the same times, in a few words. What became of
// the caller is what was seen on the switch.
func TestRecordingsInBrief(t *testing.T) {
	call := func(change func(*Call)) Call {
		c := Call{SocketResume: true, Prompts: map[string]time.Duration{}}
		for _, ms := range []int{1000, 3000, 4000, 8000} {
			c.Prompts[fmt.Sprintf("tone_stream://%%(%d,0,350,440)", ms)] = time.Duration(ms) * time.Millisecond
		}
		if change != nil {
			change(&c)
		}
		return c
	}
	// The recorded switches were moved a moment before they told so.
	moved := func(at time.Duration) func(*Call) {
		return func(c *Call) { c.Script = []Action{Transfer("18005550199").SinceConnect(at)} }
	}
	pressed := func(digit string, at time.Duration) func(*Call) {
		return func(c *Call) { c.Script = []Action{Press(digit).SinceConnect(at)} }
	}
	for name, tt := range map[string]struct {
		call Call
		want string // of the end
	}{
		"moved_exit":        {call(moved(1487 * ms)), "transferred lost"},
		"moved_unset_exit":  {call(moved(1987 * ms)), "transferred"},
		"static_resume":     {call(func(c *Call) { c.NotAsync = true }), "lost"},
		"static_unset_exit": {call(func(c *Call) { c.NotAsync = true }), "continued"},
		"not_full":          {call(func(c *Call) { c.NotFull = true; c.Script = []Action{Press("1").SinceConnect(3532 * ms)} }), "continued resume-left"},
		"stale_key_flush":   {call(func(c *Call) { c.Answered = true }), "continued resume-left"},
		"star_default":      {call(pressed("*", 3333*ms)), "continued resume-left"},
		"star_scoped":       {call(pressed("*", 3331*ms)), "continued resume-left"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data := openRecording(t, name)
				rec, err := readRecording(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				tt.call.UUID, _ = bodyHeader("\n"+string(rec.frames[0].data), "Unique-ID")
				here, there := net.Pipe()
				results := make(chan Result, 1)
				go func() {
					r, err := tt.call.Run(t.Context(), there)
					if err != nil {
						t.Error(err)
					}
					results <- r
				}()
				start := time.Now()
				frames := make(chan []recordedFrame)
				go func() { frames <- readFrames(here, start) }()
				for _, w := range recordedWrites(t, data) {
					time.Sleep(time.Until(start.Add(w.at)))
					if _, err := here.Write([]byte(w.data)); err != nil {
						t.Errorf("at %v: %v", w.at, err)
					}
				}
				got, r := <-frames, <-results
				_ = here.Close()
				equal(t, "frames", briefs(got), briefs(rec.frames))
				for i := range min(len(got), len(rec.frames)) {
					if d := (got[i].at - rec.frames[i].at).Abs(); d > 60*time.Millisecond {
						t.Errorf("frame %d came at %v, recorded at %v: %s", i, got[i].at, rec.frames[i].at, brief(string(got[i].data)))
					}
				}
				equal(t, "the end", ending(r), tt.want)
			})
		})
	}
}

// briefs leaves out what the extension does that a call was moved to.
func briefs(frames []recordedFrame) []string {
	var all []string
	for _, f := range frames {
		text := string(f.data)
		app, _ := bodyHeader("\n"+text, "Application")
		if slices.Contains([]string{"log", "answer", "sleep"}, app) && strings.Contains(text, "Caller-Profile-Index: 2") {
			continue
		}
		all = append(all, brief(text))
	}
	return all
}

// ending is what became of a call, in words.
func ending(r Result) string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{
		{r.Transferred, "transferred"}, {r.Continued, "continued"}, {r.HungUp, "hung-up"}, {r.Lost, "lost"}, {r.ResumeLeft, "resume-left"},
	} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, " ")
}
