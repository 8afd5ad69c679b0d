package c2mtest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEligibilityRefuses(t *testing.T) {
	t.Parallel()
	type change = map[string]any
	sde := func(raw string) change { return change{"sdes": json.RawMessage(raw)} }
	const invalid, number = "Invalid request: ", "Invalid customerPhoneNumber: it must be E.164 with a plus, 15 characters at most"
	for _, tt := range []struct {
		name   string
		change change
		code   int
		want   string
	}{
		{"no skill", change{"skill": nil}, 1000, invalid + "skill is required"},
		{"no number", change{"consumerPhoneNumber": nil}, 1000, invalid + "consumerPhoneNumber is required"},
		{"no handoff", change{"handoffId": nil}, 1000, invalid + "handoffId is required"},
		{"empty skill", change{"skill": ""}, 1000, invalid + "skill is required"},
		{"empty option", change{"ivrNumber": ""}, 1000, invalid + "ivrNumber must not be empty"},
		{"number for a string", change{"handoffId": 1}, 1000, invalid + "handoffId must be a string"},
		{"long skill", change{"skill": strings.Repeat("é", 256)}, 1000, invalid + "skill is longer than 255 characters"},
		{"long handoff", change{"handoffId": "H1234567890123456"}, 1000, invalid + "handoffId is longer than 16 characters"},
		{"unknown field", change{"sde": 1, "callId": "x"}, 1000, invalid + `unknown field "callId"; unknown field "sde"`},
		{"letters for an IVR", change{"ivrNumber": "1-800"}, 1000, invalid + "ivrNumber must be up to 15 digits"},
		{"consumer of an app", change{"consumerId": "joe"}, 1000, invalid + "consumerId is for inapp only"},
		{"no plus", change{"consumerPhoneNumber": "14043438646"}, 1001, number},
		{"blank", change{"consumerPhoneNumber": "+1 4043438646"}, 1001, number},
		{"leading zero", change{"consumerPhoneNumber": "+04043438646"}, 1001, number},
		{"16 characters", change{"consumerPhoneNumber": "+123456789012345"}, 1001, number},
		{"short", change{"consumerPhoneNumber": "+112"}, 1001, number},
		{"other handoff", change{"handoffId": "H1"}, 1500, "No handoff is available"},
		{"other skill", change{"skill": "sales"}, 1300, "No engagement found for skill"},
		{"variables in a list", change{"templateVariables": []any{"a"}}, 1000, invalid + "templateVariables must be an object"},
		{"variables of null", change{"templateVariables": json.RawMessage("null")}, 1000, invalid + "templateVariables must be an object"},
		{"a named variable", change{"templateVariables": change{"a": "b"}}, 1000, invalid + `the variable "a" must be a number`},
		{"a variable's number", change{"templateVariables": change{"1": 2}}, 1000, invalid + "the variables of the template must be strings"},
		{"sdes of an object", sde(`{}`), 1000, invalid + "sdes must be an array of objects"},
		{"sdes of null", sde(`null`), 1000, invalid + "sdes must be an array of objects"},
		{"sde of a text", sde(`["a"]`), 1000, invalid + "sdes must be an array of objects"},
		{"sde without type", sde(`[{"info":{}}]`), 1000, invalid + "the type of one of sdes must be ctmrinfo or personal"},
		{"another sde", sde(`[{"type":"cart","cart":{}}]`), 1000, invalid + "the type of one of sdes must be ctmrinfo or personal"},
		{"two of a type", sde(`[{"type":"personal","personal":{}},{"type":"personal","personal":{}}]`), 1000, invalid + "sdes has two of type personal"},
		{"under another name", sde(`[{"type":"ctmrinfo","ctmrinfo":{}}]`), 1000, invalid + "sdes of type ctmrinfo must have info, and no more"},
		{"more in an sde", sde(`[{"type":"ctmrinfo","info":{},"a":1}]`), 1000, invalid + "sdes of type ctmrinfo must have info, and no more"},
		{"info of a text", sde(`[{"type":"ctmrinfo","info":"a"}]`), 1000, invalid + "sdes.ctmrinfo must be an object"},
		{"unknown attribute", sde(`[{"type":"ctmrinfo","info":{"colour":"red"}}]`), 1000, invalid + `unknown field "colour" in sdes.ctmrinfo`},
		{"a number's text", sde(`[{"type":"ctmrinfo","info":{"balance":"1","ctype":1}}]`), 1000, invalid + "sdes.ctmrinfo.balance must be a number; sdes.ctmrinfo.ctype must be a string"},
		{"a date's text", sde(`[{"type":"ctmrinfo","info":{"registrationDate":"2014"}}]`), 1000, invalid + "sdes.ctmrinfo.registrationDate must be an object"},
		{"part of a date", sde(`[{"type":"ctmrinfo","info":{"registrationDate":{"day":"1"}}}]`), 1000, invalid + "sdes.ctmrinfo.registrationDate.day must be a number"},
		{"contacts of an object", sde(`[{"type":"personal","personal":{"contacts":{}}}]`), 1000, invalid + "sdes.personal.contacts must be an array"},
		{"unknown contact", sde(`[{"type":"personal","personal":{"contacts":[{"fax":"1"}]}}]`), 1000, invalid + `unknown field "fax" in sdes.personal.contacts`},
		{"twice", sde(`[{"type":"personal","personal":{"gender":"MALE","gender":"OTHER"}}]`), 1000, invalid + `key "gender" comes twice`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			cfg.HandoffIDs, cfg.Skills = []string{"H123456789", "H1234567890123456"}, []string{"support"}
			s := New(cfg)
			wantCode(t, post(t, s, pathAsk, body(t, askFields(), tt.change)), http.StatusBadRequest, tt.code, tt.want)
			if got := s.Eligibilities(); len(got) != 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	const invalid = "Invalid request: "
	for _, tt := range []struct{ name, body, want string }{
		{"none", "", "the body is not JSON"},
		{"cut", `{"skill":"a"`, "the body is not JSON"},
		{"array", `[]`, "the body is not a JSON object"},
		{"null", `null`, "the body is not a JSON object"},
		{"no UTF-8", "{\"skill\":\"\xff\"}", "the body is not UTF-8"},
		{"large", `{"skill":"` + strings.Repeat("a", 64<<10) + `"}`, "the body is larger than 65536 bytes"},
	} {
		for _, path := range []string{pathAsk, pathInvite} {
			s := New(testConfig())
			req := request(t, t.Context(), s, http.MethodPost, path, tt.body)
			req.Header.Set("Content-Type", "application/json; charset=UTF-8")
			wantCode(t, send(inMemory(s), req), 400, 1000, invalid+tt.want)
		}
	}
}

func TestEligibilityAccepts(t *testing.T) {
	t.Parallel()
	type change = map[string]any
	for _, tt := range []struct {
		name   string
		change change
	}{
		{"the vendor's example", nil},
		{"no more than must be", change{"sdes": nil, "templateVariables": nil, "ivrNumber": nil}},
		{"nothing in what is there", change{"sdes": []any{}, "templateVariables": change{}}},
		{"the longest", change{
			"skill": strings.Repeat("é", 255), "handoffId": "H123456789012345", "consumerPhoneNumber": "+12345678901234", "ivrNumber": "+123456789012345",
		}},
		{"every attribute", change{"sdes": json.RawMessage(`[ {"type":"personal","personal":{"firstname":"John","lastname":"Doe","age":{"age":34,"year":1980,"month":4,"day":1},
			"contacts":[{"email":"a@example.com","phone":"+1 555-333-7777","phoneType":"mobile"}],"gender":"MALE","language":"en-US","company":"x"}},
			{"info":{"cstatus":"a","ctype":"vip","customerId":"1","balance":-400.99,"currency":"USD","socialId":"1","imei":"3","userName":"u","companySize":500,
			"companyBranch":"b","accountName":"a","role":"r","lastPaymentDate":{"day":15,"month":10,"year":2014},"registrationDate":{"day":23,"month":5,"year":2013},
			"storeNumber":"1","storeZipCode":"20505"},"type":"ctmrinfo"}]`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(testConfig())
			got := post(t, s, pathAsk, body(t, askFields(), tt.change))
			const want = `{"availableChannels":["sms"],"recommendedChannelName":"sms","eligible":true,"callId":"`
			if got.status != 200 || !strings.HasPrefix(got.body, want) || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// What is recorded is what came, and what was said.
func TestEligibilities(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	id, _ := ask(t, s, testNumber)
	got := s.Eligibilities()
	if len(got) != 1 || got[0].CallID != id || !uuid(id) {
		t.Fatalf("got %+v, callId %s", got, id)
	}
	want := Eligibility{
		CallID: id, Time: got[0].Time, Account: testAccount, Skill: "support", Number: testNumber, HandoffID: "H123456789",
		SDEs: got[0].SDEs, TemplateVariables: map[string]string{"1": "test"}, IVRNumber: "180000",
		Eligible: true, Channels: []string{"sms"}, Recommended: "sms",
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !json.Valid(got[0].SDEs) || !strings.Contains(string(got[0].SDEs), "138766AC") {
		t.Errorf("got %s", got[0].SDEs)
	}
	if r := s.Requests()[0]; r.Call != CallEligibility || r.CallID != id || r.Number != testNumber || !r.Processed || r.Auth != "bearer" || r.Status != 200 {
		t.Errorf("got %+v", r)
	}
}

func TestWhoIsEligible(t *testing.T) {
	t.Parallel()
	open, out, land := func(s *Server) { s.OpenConversation(testNumber) }, func(s *Server) { s.OptOut(testNumber, true) }, func(s *Server) { s.Landline("14043438646") }
	both := []string{SMS, WhatsApp}
	for _, tt := range []struct {
		name   string
		cfg    Config
		state  func(*Server)
		status int
		want   string // channels, or the code
	}{
		{"nobody in particular", Config{}, nil, 200, `["sms"],"recommendedChannelName":"sms","eligible":true`},
		{"by priority", Config{Channels: []string{WhatsApp, SMS}}, nil, 200, `["wa","sms"],"recommendedChannelName":"wa","eligible":true`},
		{"open", Config{}, open, 200, `[],"recommendedChannelName":"","eligible":false`},
		{"open, refused", Config{Open: OpenRefused}, open, 400, `1400`},
		{"open, unseen", Config{Open: OpenUnseen}, open, 200, `["sms"],"recommendedChannelName":"sms","eligible":true`},
		{"open on WhatsApp", Config{Channels: both, Open: OpenRefused}, open, 200, `["wa"],"recommendedChannelName":"wa","eligible":true`},
		{"closed", Config{}, func(s *Server) { open(s); s.CloseConversation(testNumber) }, 200, `["sms"],"recommendedChannelName":"sms","eligible":true`},
		{"opted out", Config{}, out, 200, `["sms"],"recommendedChannelName":"sms","eligible":true`},
		{"opted out, known", Config{OptOutsKnown: true}, out, 200, `[],"recommendedChannelName":"","eligible":false`},
		{"opted in again", Config{OptOutsKnown: true}, func(s *Server) { out(s); s.OptOut(testNumber, false) }, 200, `["sms"],"recommendedChannelName":"sms","eligible":true`},
		{"landline", Config{}, land, 200, `["sms"],"recommendedChannelName":"sms","eligible":true`},
		{"landline, checked", Config{DeviceCheck: true}, land, 400, `1001`},
		{"landline on WhatsApp", Config{DeviceCheck: true, Channels: both}, land, 200, `["wa"],"recommendedChannelName":"wa","eligible":true`},
		{"another", Config{}, func(s *Server) { s.OpenConversation("+14043438647") }, 200, `["sms"],"recommendedChannelName":"sms","eligible":true`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			cfg.Channels, cfg.Open, cfg.OptOutsKnown, cfg.DeviceCheck = tt.cfg.Channels, tt.cfg.Open, tt.cfg.OptOutsKnown, tt.cfg.DeviceCheck
			s := New(cfg)
			if tt.state != nil {
				tt.state(s)
			}
			got := post(t, s, pathAsk, body(t, askFields(), nil))
			if got.status != tt.status || !strings.Contains(got.body, tt.want) {
				t.Errorf("got %+v, want %d %s", got, tt.status, tt.want)
			}
		})
	}
}

func TestInApp(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Channels = []string{InApp}
	s := New(cfg)
	wantCode(t, post(t, s, pathAsk, body(t, askFields(), nil)), 400, 1000,
		"Invalid request: sdes is not for inapp; templateVariables is not for inapp; consumerId is required for inapp")
	got := post(t, s, pathAsk, body(t, askFields(), map[string]any{"sdes": nil, "templateVariables": nil, "consumerId": "joe"}))
	if got.status != 200 || !strings.Contains(got.body, `["inapp"]`) || s.Eligibilities()[0].ConsumerID != "joe" {
		t.Errorf("got %+v", got)
	}
}
