package freeswitchtest

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Nothing that a caller or a variable brings can leave its value.
func TestHostileWaiting(t *testing.T) {
	const evil = "a\r\n\r\nEvent-Name: CHANNEL_HANGUP\n\"\\%41+é\xff\x01\x7f${x}"
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{}
		plain, object := login(t, s, story+" CUSTOM deflect::offer"), login(t, s, "event json CUSTOM deflect::offer")
		w := s.Park(Call{UUID: "c-1", ANI: evil, CallerName: evil, DNIS: evil, Vars: map[string]string{"x": evil}})
		w.Announce()
		f := plain.next()
		head, body, _ := strings.Cut(f, "\n\n")
		equal(t, "head", strings.Count(head, "\n"), 1)
		for line := range strings.Lines(strings.TrimSuffix(body, "\n")) {
			if name, _, ok := strings.Cut(line, ": "); !ok || strings.Contains(name, "%") {
				t.Errorf("line %q", line)
			}
		}
		for _, name := range []string{"Caller-Caller-ID-Name", "Caller-ANI", "Caller-Destination-Number", "variable_x"} {
			equal(t, name, value(body, name), evil)
		}
		_, body, _ = strings.Cut(object.next(), "\n\n")
		if strings.ContainsAny(body, "\r\n") {
			t.Error("a raw line end in JSON")
		}
		if !strings.Contains(body, `"variable_x":"a\r\n\r\nEvent-Name: CHANNEL_HANGUP\n\"\\%41+é`+"\xff"+`\u0001`+"\x7f"+`${x}"`) {
			t.Errorf("variable_x in %s", body)
		}
		var m map[string]string
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Error(err)
		}
		w.Agent(fifo)
		for _, frame := range plain.read() {
			if strings.Contains(frame, "\r") || strings.Count(frame, "\n\n") != 2 {
				t.Errorf("raw value in %q", frame)
			}
		}
		time.Sleep(showLag)
		_, body, _ = strings.Cut(plain.ask("api show channels as json"), `"cid_name":`)
		equal(t, "row", strings.HasPrefix(body, `"agent7"`), true)
		equal(t, "dump", value(plain.ask("api uuid_dump c-1"), "variable_x"), evil)
	})
}

func TestBackgroundJobRepliesWithItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{}
		p, q := login(t, s, "event plain BACKGROUND_JOB"), login(t, s, "event json BACKGROUND_JOB")
		p.send("bgapi uuid_exists nobody")
		frames := p.read()
		equal(t, "frames", len(frames), 2)
		job := value(frames[0], "Job-UUID")
		equal(t, "id", value(frames[1], "Job-UUID"), job)
		equal(t, "own id", p.ask("bgapi uuid_exists x\nJob-UUID: mine"), "+OK Job-UUID: mine\nJob-UUID: mine")
		for _, f := range fixtures(t, "inbound_events.jsonl") {
			switch f.Name {
			case "job plain":
				equal(t, f.Name, answerShape(frames[1]), answerShape(f.Frame))
			case "job json":
				equal(t, f.Name, eventShape(t, q.next()), eventShape(t, f.Frame))
			}
		}
		equal(t, "violations", s.Violations(), nil)
	})
}
