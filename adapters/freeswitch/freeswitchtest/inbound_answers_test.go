package freeswitchtest

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestInboundAnswers sends the recorded commands and compares the answers byte
// by byte, but for ids and times, and for the telephone in a dump.
func TestInboundAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{Missing: []string{"nosuch/file.wav"}}
		p := login(t, s)
		c := recordedPerson("18005550132")
		w := s.Park(c)
		time.Sleep(showLag)
		recorded := regexp.MustCompile(`^api uuid_\w+ (` + anyUUID.String() + `)`)
		listed := 0
		for _, f := range fixtures(t, "inbound_answers.jsonl") {
			command := f.Command
			if strings.HasPrefix(command, "api show channels as json") {
				if listed++; listed > 1 {
					w.HangUp()
				}
			}
			if m := recorded.FindStringSubmatch(command); m != nil {
				command = strings.Replace(command, m[1], c.UUID, 1)
			}
			p.send(command)
			if strings.HasSuffix(command, " json") && strings.HasPrefix(command, "api uuid_dump ") {
				equal(t, command, eventShape(t, p.next()), eventShape(t, f.Frame))
				continue
			}
			if got, want := answerShape(p.next()), answerShape(f.Frame); got != want {
				equal(t, command, got, want)
			}
		}
		equal(t, "end", p.heard(), []string{"", "end"})
	})
}

func answerShape(frame string) string {
	lines := strings.Split(frame, "\n")
	if strings.Contains(frame, "Event-Name: CHANNEL_DATA") || strings.Contains(frame, `"rows"`) {
		lines[1] = "Content-Length: <n>"
	}
	if strings.Contains(frame, "text/event-plain") {
		lines[0] = "Content-Length: <n>"
	}
	var variables []string
	lines = slices.DeleteFunc(lines, func(line string) bool {
		name, value, ok := strings.Cut(line, ": ")
		variable, isVar := strings.CutPrefix(name, "variable_")
		if isVar && len(tmpl.index[variable]) == 0 && !elsewhere.MatchString(variable) {
			variables = append(variables, name+"="+kindOf(name, decoded(value)))
		}
		return ok && isVar
	})
	for i, line := range lines {
		if name, value, ok := strings.Cut(line, ": "); ok {
			lines[i] = name + ": " + kindOf(name, decoded(value))
			continue
		}
		lines[i] = kindOf("", line)
	}
	slices.Sort(variables)
	return strings.Join(append(lines, variables...), "\n")
}
