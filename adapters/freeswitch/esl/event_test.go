package esl

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newEvent(body []byte, maxLines int) (Event, error) {
	d, err := plainEvent(body, maxLines, nil)
	if err != nil && (d.name != "" || d.lines.len() > 0) {
		panic("an event beside an error")
	}
	return Event{&d}, err
}

func mustEvent(t testing.TB, body string) Event {
	t.Helper()
	e, err := newEvent([]byte(body), DefaultHeaderLines)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestGetDecodesAValue(t *testing.T) {
	e := mustEvent(t, "Event-Name: DTMF\r\nFrom: %2B14043438646\nPlus: a+b\nBad: 100%, %zz %4\n"+
		"Last: %41%\nEmpty:\nMixed: %c3%9C\nNul: a%00b\nTwice: one\nTWICE: two\nName: x: y\n"+
		"Content-Length: 5\n\nInner: no\n")
	tests := map[string]struct {
		want string
		ok   bool
	}{
		"Event-Name": {"DTMF", true},
		"event-NAME": {"DTMF", true},
		"From":       {"+14043438646", true},
		"Plus":       {"a+b", true},
		"Bad":        {"100%, %zz %4", true},
		"Last":       {"A%", true},
		"Empty":      {"", true},
		"Mixed":      {"Ü", true},
		"Nul":        {"a\x00b", true},
		"Twice":      {"one", true},
		"Name":       {"x: y", true},
		"Inner":      {"", false},
		"Absent":     {"", false},
		"":           {"", false},
		"Fro":        {"", false},
	}
	for name, tt := range tests {
		if got, ok := e.Lookup(name); got != tt.want || ok != tt.ok {
			t.Errorf("Lookup(%q) = %q, %v; want %q, %v", name, got, ok, tt.want, tt.ok)
		}
		if got := e.Get(name); got != tt.want {
			t.Errorf("Get(%q) = %q, want %q", name, got, tt.want)
		}
	}
	if got := e.Name(); got != "DTMF" {
		t.Errorf("name %q, want DTMF", got)
	}
}

func TestZeroEventIsEmpty(t *testing.T) {
	var e Event
	e.Each("", func(string, string) bool { t.Error("a header in the zero Event"); return false })
	if _, ok := e.Lookup("x"); ok || e.Name() != "" || e.Get("x") != "" {
		t.Error("the zero Event is not empty")
	}
}

func TestEachGivesTheFirstOfAName(t *testing.T) {
	e := mustEvent(t, "Event-Name: X\nvariable_deflect_info_plan: Gold%20%C3%9Cber\nvariable_deflect: no\n"+
		"VARIABLE_deflect_info_b: 2\nvariable_deflect_info_plan: later\nVariable_Deflect_Info_Plan: later\n"+
		"variable_deflect_info_: empty\nvariable_deflect_info: no\n\n")
	collect := func(prefix string, most int) (got []string) {
		e.Each(prefix, func(name, value string) bool {
			got = append(got, name+"="+value)
			return len(got) < most
		})
		return got
	}
	want := []string{"variable_deflect_info_plan=Gold Über", "VARIABLE_deflect_info_b=2", "variable_deflect_info_=empty"}
	if diff := cmp.Diff(want, collect("variable_deflect_info_", 9)); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:2], collect("variable_DEFLECT_info_", 2)); diff != "" {
		t.Errorf("stopped after two (-want +got):\n%s", diff)
	}
	if got := collect("", 99); len(got) != 6 {
		t.Errorf("all headers: %q", got)
	}
	if got := collect("variable_deflect: no", 9); got != nil {
		t.Errorf("a prefix with a value found %q", got)
	}
}

func TestBrokenEventIsNoEvent(t *testing.T) {
	tests := map[string]struct {
		body string
		want Kind
	}{
		"empty":                {"", KindMalformed},
		"no headers":           {"\n", KindMalformed},
		"no empty line":        {"Event-Name: X\n", KindMalformed},
		"cut in a line":        {"Event-Name: X\nA: b", KindMalformed},
		"no colon":             {"Event-Name: X\nnonsense\n\n", KindMalformed},
		"no header name":       {"Event-Name: X\n: x\n\n", KindMalformed},
		"NUL":                  {"Event-Name: X\nA: \x00\n\n", KindMalformed},
		"no name":              {"A: b\n\n", KindMalformed},
		"name of ours":         {"Event-Name: COMMAND_ERROR\n\n", KindMalformed},
		"name of ours, hidden": {"Event-Name: DISCONNECT%5FNOTICE\n\n", KindMalformed},
		"name of a reply":      {"Event-Name: CHANNEL_DATA\n\n", KindMalformed},
		"too many lines":       {"Event-Name: X\n" + strings.Repeat("A: b\n", 4) + "\n", KindHeaderLines},
		"all is well":          {"Event-Name: X\n" + strings.Repeat("A: b\n", 3) + "\n", "<nil>"},
		"a body of its own":    {"Event-Name: X\nContent-Length: 3\n\n\x00\n:", "<nil>"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := newEvent([]byte(tt.body), 4); kindOf(err) != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestConnectReplyIsTheChannelData(t *testing.T) {
	frames, _ := decodeAll(bytes.NewReader(recorded(t, "hostile_caller").received), Limits{})
	d, err := channelData(frames[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	e := Event{&d}
	for name, want := range map[string]string{
		"Caller-Caller-ID-Name":    "Zoë %{system(touch /var/pwned2)} A+\n",
		"Caller-Caller-ID-Number":  "+14043438646",
		"variable_socket_resume":   "true",
		"Control":                  "full",
		"Caller-Destination-Numbe": "",
	} {
		if got := e.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := e.Name(); got != "CHANNEL_DATA" {
		t.Errorf("name %q", got)
	}
}

func TestDisconnectNoticeIsNotDecoded(t *testing.T) {
	const in = "Content-Type: text/disconnect-notice\nContent-Disposition: linger\n" +
		"Channel-Name: sofia/a/+1%41@b\nContent-Length: 2\n\n:)"
	frames, err := decodeAll(strings.NewReader(in), Limits{})
	if len(frames) != 1 {
		t.Fatal(err)
	}
	d, err := disconnectNotice(frames[0], nil)
	e := Event{&d}
	if err != nil || e.Name() != DisconnectNotice || e.Get("Channel-Name") != "sofia/a/+1%41@b" || e.Get("content-disposition") != "linger" {
		t.Errorf("notice %q %q %q", e.Name(), e.Get("Channel-Name"), e.Get("content-disposition"))
	}
}

func TestReplyIsReadOrRefused(t *testing.T) {
	tests := map[string]struct {
		cmd  Command
		head string
		want string // text, or the kind of fault
		ok   bool
	}{
		"plain":             {Resume(), "Reply-Text: +OK", "+OK", true},
		"with a text":       {Exit(), "Reply-Text: +OK bye", "+OK bye", true},
		"refused":           {Exit(), "Reply-Text: -ERR command not found", "-ERR command not found", false},
		"never decoded":     {Exit(), "Reply-Text: -ERR 100%25", "-ERR 100%25", false},
		"connect":           {Connect(), "Reply-Text: %2BOK%0A", "+OK", true},
		"connect, plain":    {Connect(), "Reply-Text: +OK", "+OK", true},
		"connect, refused":  {Connect(), "Reply-Text: -ERR", "-ERR", false},
		"one byte":          {Exit(), "Reply-Text: 1", "reply", false},
		"empty":             {Exit(), "Reply-Text:", "reply", false},
		"encoded elsewhere": {Exit(), "Reply-Text: %2BOK", "reply", false},
		"missing":           {Exit(), "Reply: +OK", "reply", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			frames, err := decodeAll(strings.NewReader("Content-Type: command/reply\n"+tt.head+"\n\n"), Limits{})
			if len(frames) != 1 {
				t.Fatal(err)
			}
			got, ok, err := replyText(asked{word: tt.cmd.Word()}, frames[0])
			if err != nil {
				got = string(kindOf(err))
			}
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %q, OK %v; want %q, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestCommandErrorKeepsItsLines(t *testing.T) {
	d, err := commandError(asked{word: "sendmsg", app: "set", uuid: "u-1"}, "-ERR 100%41\r\nCommand: x\x00")
	e := Event{&d}
	for name, want := range map[string]string{
		"Command": "sendmsg", "Application": "set", "Application-UUID": "u-1",
		"Reply-Text": "-ERR 100%41\r\nCommand: x\x00",
	} {
		if got := e.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if err != nil || e.d.lines.len() != 4 {
		t.Errorf("%d lines, error %v; want 4", e.d.lines.len(), err)
	}
}

// Events of another kind of connection are read as those of our own.
func TestNewEventReadsAsOurOwn(t *testing.T) {
	headers := map[string]string{
		"Unique-ID": "u-1", "variable_name": "100% \r\n+ Zoë\x00", "empty": "", "": "no name", "a:b": "no header", "c\nd": "nor this", "e\x00": "nor this",
	}
	e := NewEvent("DTMF", headers)
	if e.Name() != "DTMF" {
		t.Errorf("name %q", e.Name())
	}
	for name, want := range map[string]string{
		"unique-id": "u-1", "Variable_Name": "100% \r\n+ Zoë\x00", "empty": "", "a": "", "c": "", "d": "", "e": "",
	} {
		if got := e.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if _, ok := e.Lookup("empty"); !ok {
		t.Error("the empty header is gone")
	}
	if none := NewEvent("X", nil); none.Name() != "X" || none.Get("a") != "" {
		t.Errorf("%v", none)
	}
}

func FuzzNewEvent(f *testing.F) {
	f.Add("Unique-ID", "a\nb", "X", "%41")
	f.Fuzz(func(t *testing.T, name, value, other, more string) {
		e := NewEvent("DTMF", map[string]string{name: value, other: more})
		fine := name != "" && !strings.ContainsAny(name, ":\r\n\x00") && !strings.EqualFold(name, other) && !strings.ContainsAny(other, ":\r\n\x00")
		if fine && e.Get(name) != value {
			t.Errorf("%q = %q, want %q", name, e.Get(name), value)
		}
	})
}

func TestRepeatedTellsADoubleHeader(t *testing.T) {
	d, err := plainEvent([]byte("Event-Name: X\nvariable_a: 1\nvariable_b: x: y\nVARIABLE_A: 2\nc: 1\n\n"), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := Event{&d}
	for name, want := range map[string]bool{"variable_a": true, "Variable_A": true, "variable_b": false, "c": false, "variable": false, "": false} {
		if got := e.Repeated(name); got != want {
			t.Errorf("Repeated(%q) = %v, want %v", name, got, want)
		}
	}
	if (Event{}).Repeated("a") {
		t.Error("an event without headers repeats one")
	}
}
