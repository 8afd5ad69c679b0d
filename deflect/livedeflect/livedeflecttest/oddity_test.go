package livedeflecttest

import (
	"encoding/json"
	"strings"
	"testing"
)

// Each oddity is one difference from the answer of the zero value.
func TestOddities(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		odd     Oddity
		has     []string
		hasNot  []string
		order   string // if not the usual one
		changes map[string]any
	}{
		{name: "none", has: []string{
			`{"success":"true","data":{"473513":[{"callId":"473513",`, `"callerInfo":"{\"userdefinedvar\":50,\"tshirtsize\":\"Large\"}"`,
			`"beginTimeStamp":"1528932953100"`, `"customerPhoneNumber":"4043438646"`, `"externalConsumerId":"123456"}`,
		}, hasNot: []string{"externalCustomerId", "routing"}},
		{name: "numbers", odd: Oddity{Numbers: true}, has: []string{
			`"callId":"473513"`, `"siteId":"38856538"`, `"beginTimeStamp":1528932953100,`, `"eventTime":1528932953300,`, `"customerCountryCode":1,`,
			`"customerPhoneNumber":4043438646,`, `"dialedCountryCode":1,`, `"dialedPhoneNumber":4029742345,`, `"callerEnteredDigits":"1234"`,
		}},
		{name: "numbers with a 0", odd: Oddity{Numbers: true}, changes: map[string]any{
			"customerCountryCode": "61", "customerPhoneNumber": "0400111222", "deflectionHandle": "61400111222",
		}, has: []string{`"customerCountryCode":61,`, `"customerPhoneNumber":"0400111222"`}},
		{name: "the table's customer id", odd: Oddity{CustomerIDName: ExternalCustomerID}, has: []string{`"externalCustomerId":"123456"}`}, hasNot: []string{"externalConsumerId"}},
		{name: "both customer ids", odd: Oddity{CustomerIDName: BothCustomerIDs}, has: []string{`"externalConsumerId":"123456","externalCustomerId":"123456"}`}},
		{name: "caller info object", odd: Oddity{CallerInfoObject: true}, has: []string{`"callerInfo":{"userdefinedvar":50,"tshirtsize":"Large"}`}},
		{name: "no caller info, object", odd: Oddity{CallerInfoObject: true}, changes: map[string]any{"callerInfo": nil}, has: []string{`"callerInfo":null`}},
		{name: "caller info broken", odd: Oddity{CallerInfoBroken: true, CallerInfoObject: true}, has: []string{`"callerInfo":"{userdefinedvar=50, \"tshirtsize\":"`}},
		{name: "trunk zero", odd: Oddity{TrunkZero: true, Numbers: true}, has: []string{`"customerPhoneNumber":"04043438646"`}},
		{name: "trunk zero of the request", odd: Oddity{TrunkZero: true}, changes: map[string]any{
			"customerPhoneNumber": "0400111222", "deflectionHandle": "1400111222",
		}, has: []string{`"customerPhoneNumber":"0400111222"`}},
		{name: "shuffled", odd: Oddity{Shuffled: true}, order: "skillchoice deflresponse callstart ovrchan sendtext"},
		{name: "repeated", odd: Oddity{Repeated: true}, order: "callstart callstart skillchoice skillchoice ovrchan ovrchan deflresponse deflresponse sendtext sendtext"},
		{name: "unknown events", odd: Oddity{UnknownEvents: true}, order: untilText + " optout"},
		{name: "unknown fields", odd: Oddity{UnknownFields: true}, has: []string{`,"routing":{"node":`}},
		{name: "data null only if empty", odd: Oddity{DataNull: true, DataList: true}, has: []string{`"data":{"473513"`}},
		{name: "success last", odd: Oddity{SuccessLast: true}, has: []string{`{"data":{"473513":`, `},"success":"true"}`}},
		{name: "all in order", odd: Oddity{UnknownEvents: true, Shuffled: true, Repeated: true}, order: "skillchoice skillchoice deflresponse deflresponse optout optout callstart callstart ovrchan ovrchan sendtext sendtext"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			cfg.Report.Oddity = tt.odd
			s := New(cfg)
			wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, tt.changes))), 473513)
			got := send(inMemory(s), ask(t, s, "1528932953100", "1528932953100"))
			order := tt.order
			if order == "" {
				order = untilText
			}
			if k := kinds(t, got); k != "1231: "+order {
				t.Errorf("got %s, want %s", k, order)
			}
			for _, part := range tt.has {
				if !strings.Contains(got.body, part) {
					t.Errorf("got %s, want %s in it", got.body, part)
				}
			}
			for _, part := range tt.hasNot {
				if strings.Contains(got.body, part) {
					t.Errorf("got %s, want no %s in it", got.body, part)
				}
			}
		})
	}
}

func TestOddityOfNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		odd  Oddity
		want string
	}{
		{Oddity{}, `{"success":"true","data":{}}`},
		{Oddity{DataNull: true, DataList: true}, `{"success":"true","data":null}`},
		{Oddity{DataList: true}, `{"success":"true","data":[]}`},
		{Oddity{DataNull: true, SuccessLast: true}, `{"data":null,"success":"true"}`},
		{Oddity{UnknownEvents: true, Shuffled: true, Repeated: true, BadEvery: 1}, `{"success":"true","data":{}}`},
	} {
		s := New(testConfig())
		s.SetReport(Report{Oddity: tt.odd})
		if got := send(inMemory(s), ask(t, s, "1528932953100", "1528932953100")); got.body != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.odd, got.body, tt.want)
		}
	}
}

func TestBadEvery(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Report.Oddity.BadEvery = 2
	s := New(cfg)
	for range 10 {
		send(inMemory(s), request(t, t.Context(), s, testBody(t, nil)))
	}
	var report struct {
		Data map[string][]json.RawMessage
	}
	got := send(inMemory(s), ask(t, s, "1528932953100", "1528932953100"))
	if err := json.Unmarshal([]byte(got.body), &report); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"473514": `"callstart"`, "473516": `1528932953300`, "473518": `null`, "473520": badTime, "473522": `"callstart"`}
	for id, events := range report.Data {
		if len(events) != 5 {
			t.Errorf("got %d events of call %s, want 5", len(events), id)
		}
		for i, raw := range events {
			var e struct{ EventTime json.RawMessage }
			ok := json.Unmarshal(raw, &e) == nil && len(e.EventTime) == len(`"1528932953300"`)
			if bad := i == 0 && want[id] != ""; ok == bad {
				t.Errorf("call %s, event %d: got %s", id, i, raw)
			}
			if i == 0 && want[id] != "" && string(raw) != want[id] && string(e.EventTime) != want[id] {
				t.Errorf("call %s: got %s, want %s", id, raw, want[id])
			}
		}
	}
}
