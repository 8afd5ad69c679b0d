package daemon

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// Every line about a call, of whichever package, has the same id of it.
func TestOneIDInAllLines(t *testing.T) {
	const (
		uuid   = "3e0068c6-1234-4567-8901-305462153916" // with digits enough for a number
		callID = "84b4c76e66710@10.20.30.40:5060"
		number = "14043438646"
	)
	for _, tt := range []struct {
		name     string
		uuid     string
		external string // deflect_external_id
		call     string // what every line has
		channel  string // what those of the adapter have besides
	}{
		{"a UUID", uuid, "", uuid, ""},
		{"a Call-ID for the UUID", callID, "", callID, ""},
		{"a long Call-ID", strings.Repeat("call.", 30) + "@10.20.30.40", "", strings.Repeat("call.", 30) + "@10.20.30.40", ""},
		{"an id of one's own", uuid, "crm-1", "crm-1", uuid},
		{"the UUID again", uuid, uuid, uuid, ""},
		{"a Call-ID of one's own", uuid, callID, callID, uuid},
		{"a Call-ID of a Call-ID", callID, "4711@example.com", "4711@example.com", callID},
		{"a number", number, "", "***46", ""},
		{"a number at a host", number + "@10.20.30.40:5060", "", "***46@10.20.30.40:5060", ""},
		{"a number of one's own", uuid, "+1 (404) 343-8646", "?", uuid},
		{"a number and a time", uuid, "+" + number + "-1732672000", "+***00", uuid},
		{"text", uuid, "Jane Doe ${system(id)}", "?", uuid},
		{"a line break", uuid, "Jane\nDoe", "JaneDoe", uuid}, // is no part of the id
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, nil)
			b.api.SetFault(&livedeflecttest.Fault{Status: 500})
			call := pressOne
			call.UUID, call.NotFull, call.Missing = tt.uuid, true, []string{"ivrdeflect/en/uncertain.wav"}
			if tt.external != "" {
				call.Vars = map[string]string{"deflect_external_id": tt.external}
			}
			results := make(chan freeswitchtest.Result, 1)
			r, err := call.Dial(t.Context(), b.daemon.Addr())
			if err != nil {
				t.Fatal(err)
			}
			results <- r
			if got := outcomes(t, results, 1); got[reason(deflect.Uncertain, deflect.ReasonServerError)] != 1 {
				t.Fatalf("outcomes %v", got)
			}
			b.stop()
			if err := b.finish(); err != nil {
				t.Error(err)
			}
			var about []string
			for line := range strings.Lines(b.log.text()) {
				l := map[string]any{}
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				id, has := l["call_id"]
				if !has {
					continue
				}
				about = append(about, l["msg"].(string))
				if uuid, _ := l["uuid"].(string); id != tt.call || uuid != "" && uuid != tt.channel {
					t.Errorf("call_id %q, want %q; uuid %q, want %q: %s", id, tt.call, uuid, tt.channel, line)
				}
			}
			for _, line := range []string{
				"request ended", "the switch could not play a prompt: the caller heard nothing", "call ended", "uncertain text settled",
			} {
				if !slices.Contains(about, line) {
					t.Errorf("%q has no id; %q have", line, about)
				}
			}
			for _, tell := range []string{"Jane Doe", "system", "343-8646"} {
				if strings.Contains(b.log.text(), tell) {
					t.Errorf("the log shows %q:\n%s", tell, b.log.text())
				}
			}
			if n := strings.Count(b.log.text(), `"uuid":"`+tt.channel); tt.channel != "" && n != 3 {
				t.Errorf("%d lines name the channel, want those of the adapter:\n%s", n, b.log.text())
			}
		})
	}
}
