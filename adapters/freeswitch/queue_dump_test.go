package freeswitch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
)

// What a browser calls its values, over mod_verto, becomes names of variables as it
// stands. None is taken for a variable of the dialplan.
func TestDumpCannotBeForged(t *testing.T) {
	hostile := map[string]string{
		"Event-Name": "CHANNEL_DATA", "Unique-ID": "c-1", "variable_a": "b\nvariable_deflect_number: 2",
		"variable_x: y\nvariable_deflect_number":               "+14045550199",
		"variable_x\r\nvariable_deflect_number":                "+14045550199",
		"variable_x\":\"\",\"variable_deflect_number":          "+14045550199",
		"variable_deflect_number: ":                            "+14045550199",
		"\nvariable_deflect_number":                            "+14045550199",
		"variable_z\u2028variable_deflect_text":                "x",
		"variable_deflect_info_note":                           "kept",
		"variable_deflect_info_Note: 1\nvariable_deflect_mode": "accepted",
	}
	text, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	e, err := freeswitch.ParseDump(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Unique-ID": "c-1", "variable_a": hostile["variable_a"], "variable_deflect_info_note": "kept",
		"variable_deflect_number": "", "variable_deflect_mode": "", "variable_deflect_text": "",
	} {
		if got := e.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	const data = `"Event-Name":"CHANNEL_DATA"`
	for text, ok := range map[string]bool{
		"{" + data + "}": true, "{" + data + `,"a":["x","y"]}` + "\n": true, `{"a":"\ud800",` + data + "}": true,
		"": false, "{}": false, "[" + data + "]": false, "{" + data: false, "{" + data + "} x": false, "{" + data + "}{}": false,
		"{" + data + `,"a":1}`: false, "{" + data + `,"a":{"b":"c"}}`: false, "{" + data + `,"a":null}`: false,
		"{" + data + `,"variable_a":"1","variable_A":"2"}`: false, "{" + data + "," + data + "}": false,
		`{"Event-Name":"CHANNEL_HANGUP"}`: false, "Event-Name: CHANNEL_DATA\n\n": false, "-ERR No such channel!\n": false,
	} {
		if _, err := freeswitch.ParseDump(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		} else if err != nil && strings.Contains(err.Error(), "CHANNEL") {
			t.Errorf("the error quotes the text: %v", err)
		}
	}
}

// Whatever a switch answers, a value is that of its own name.
func FuzzParseDump(f *testing.F) {
	f.Add(`{"Event-Name":"CHANNEL_DATA","variable_deflect_number":"1"}`, "variable_deflect_number")
	f.Add(`{"Event-Name":"CHANNEL_DATA","variable_x: y\nvariable_deflect_number":"1"}`, "variable_deflect_number")
	f.Add(`{"Event-Name":"CHANNEL_DATA","a":["b"],"c":""}`, "a")
	f.Fuzz(func(t *testing.T, text, name string) {
		e, err := freeswitch.ParseDump(text)
		if err != nil {
			return
		}
		var all map[string]any
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatalf("taken, but %v", err)
		}
		got := e.Get(name)
		for key, value := range all {
			if s, ok := value.(string); ok && s == got && strings.EqualFold(key, name) {
				return
			}
		}
		if got != "" {
			t.Errorf("%q is %q", name, got)
		}
	})
}

// What a stranger has sent does not come back in an error, which is logged.
func TestLibraryErrorsAreQuiet(t *testing.T) {
	const theirs = "+14045550199"
	_, number := strconv.Atoi(theirs + "x")
	for _, err := range []error{
		textproto.ProtocolError("malformed MIME header line: " + theirs), number,
		json.Unmarshal([]byte("{"+theirs), &struct{}{}), errors.New("invalid session id [" + theirs + "]"), errors.New(theirs),
		fmt.Errorf("%s: %w", theirs, errors.ErrUnsupported),
	} {
		got := freeswitch.LibraryError(err).Error()
		if strings.Contains(got, "14045550199") || strings.Contains(got, "'+'") {
			t.Errorf("%v became %v", err, got)
		}
	}
	for err, want := range map[error]string{
		errors.New("No such channel!\n"): "the switch refused: No such channel", io.EOF: "read from the event socket: EOF",
		errors.New("Timeout"): "the switch did not reply",
	} {
		if got := freeswitch.LibraryError(err).Error(); got != want {
			t.Errorf("%q became %q, want %q", err, got, want)
		}
	}
}
