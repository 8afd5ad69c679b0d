package c2mtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

func arrived(path, kind string, body []byte) *double.Arrival {
	path, query, _ := strings.Cut(path, "?")
	return &double.Arrival{
		Method: http.MethodPost, Scheme: "https", Host: "va.example.com", Path: path, EscapedPath: path, RawQuery: query,
		Header: http.Header{"Content-Type": {kind}}, Body: body,
	}
}

// FuzzEligibility tries any body. What is accepted has all that it must have, each in its
// bounds, and is accepted again when it is written anew.
func FuzzEligibility(f *testing.F) {
	f.Add([]byte(body(f, askFields(), nil)), byte(0))
	f.Add([]byte(`{"consumerPhoneNumber":"+14043438646","handoffId":"H1","skill":"a","consumerId":"joe"}`), byte(1))
	f.Add([]byte(`{"sdes":[{"type":"personal","personal":{"contacts":[{"email":"\ud800"}],"age":{"age":1e999}}}]}`), byte(0))
	f.Add([]byte(`{"templateVariables":{"1":null,"1":""}}`), byte(0))
	f.Add([]byte("null"), byte(0))
	f.Fuzz(func(t *testing.T, raw []byte, app byte) {
		cfg := testConfig()
		if app%2 == 1 {
			cfg.Channels = []string{InApp}
		}
		s := New(cfg)
		a := arrived(pathAsk, double.JSONType, raw)
		_, number := asked(CallEligibility, a)
		v := s.examineEligibility(a, route{CallEligibility, testAccount, ""})
		if (v.refusal == nil) == (v.process == nil) {
			t.Fatalf("got %+v", v)
		}
		if v.refusal != nil {
			if b := v.refusal.body(CallEligibility); !json.Valid([]byte(b)) {
				t.Errorf("got %s", b)
			}
			return
		}
		rec := Received{Time: time.Now()}
		ans, _ := v.process(&rec, Fault{})
		got := s.Eligibilities()
		if ans.Status != 200 || !json.Valid(ans.Body) || len(got) != 1 || !uuid(got[0].CallID) {
			t.Fatalf("got %+v, %+v", ans, got)
		}
		e := got[0]
		if e.Skill == "" || utf8.RuneCountInString(e.Skill) > 255 || e.HandoffID == "" || utf8.RuneCountInString(e.HandoffID) > 16 || e.Number[0] != '+' || len(e.Number) > 15 || number != e.Number {
			t.Errorf("accepted %+v", e)
		}
		again := map[string]any{"skill": e.Skill, "consumerPhoneNumber": e.Number, "handoffId": e.HandoffID}
		for name, value := range map[string]string{"ivrNumber": e.IVRNumber, "consumerId": e.ConsumerID} {
			if value != "" {
				again[name] = value
			}
		}
		if e.SDEs != nil {
			again["sdes"] = e.SDEs
		}
		if e.TemplateVariables != nil {
			again["templateVariables"] = e.TemplateVariables
		}
		b, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if v := s.examineEligibility(arrived(pathAsk, double.JSONType, b), route{CallEligibility, testAccount, ""}); v.refusal != nil && len(b) <= double.MaxBody {
			t.Errorf("%s is refused when written again: %s", b, v.refusal.text)
		}
	})
}

// FuzzInvite tries any body with a callId that is known.
func FuzzInvite(f *testing.F) {
	s := New(testConfig())
	id, _ := ask(f, s, testNumber)
	f.Add([]byte(`{"callId":"` + id + `"}`))
	f.Add([]byte(`{"callId":"` + id + `","overrideChannel":"twilio","overrideMessage":"a","overrideSkill":"b"}`))
	f.Add([]byte(`{"callId":"` + id + `","overrideChannel":"wa"}`))
	f.Add([]byte(`{"callId":"b52403dc-b140-45cc-a9ca-d749a39b1b5G"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := New(testConfig())
		id, _ := ask(t, s, testNumber)
		v := s.examineInvite(arrived(pathInvite, double.JSONType, raw), route{CallInvite, testAccount, ""})
		if v.refusal != nil {
			return
		}
		rec := Received{Time: time.Now()}
		ans, m := v.process(&rec, Fault{})
		if !json.Valid(ans.Body) || (ans.Status == 200) != (m != nil) || (m != nil) != rec.Processed || len(s.Invites()) != 1 && m != nil {
			t.Fatalf("got %+v, %+v", ans, m)
		}
		if m != nil && (m.CallID != id || m.Channel != SMS || utf8.RuneCountInString(m.Message) > 1600 || m.Skill == "" || !bytes.Contains(raw, []byte("callId"))) {
			t.Errorf("sent %+v", m.Invite)
		}
	})
}

// FuzzToken tries any form, and any token: only what was given opens anything.
func FuzzToken(f *testing.F) {
	s := New(testConfig())
	good := s.IssueToken(testAccount)
	f.Add(goodForm, good, byte(0), byte(0))
	f.Add("client_id=client&client_id=client", "a.b.c", byte(3), byte(1))
	f.Add("%zz;&=", ".", byte(0), byte(255))
	f.Fuzz(func(t *testing.T, form, token string, at, flip byte) {
		v := s.examineToken(arrived(pathToken, "application/x-www-form-urlencoded", []byte(form)), route{CallToken, testAccount, ""})
		if v.refusal == nil && (!strings.Contains(form, "client") || !strings.Contains(form, "client_credentials") && !strings.Contains(form, "%")) {
			t.Errorf("%q gives a token", form)
		}
		now := time.Now()
		if token != good && s.tokens.check(token, testAccount, now) == "" {
			t.Errorf("%q is good", token)
		}
		fresh := s.tokens.issue(testAccount, now)
		if why := s.tokens.check(fresh, testAccount, now); why != "" {
			t.Errorf("a fresh one is refused: %s", why)
		}
		if flip != 0 {
			changed := []byte(fresh)
			changed[int(at)%len(changed)] ^= flip
			if s.tokens.check(string(changed), testAccount, now) == "" {
				t.Errorf("%q is good with a byte changed", changed)
			}
		}
	})
}

// FuzzReport tries any query and body of a report.
func FuzzReport(f *testing.F) {
	f.Add("attemptedStartTime=1602007811000&attemptedEndTime=1602008344000&v=2.0", `{"offset":0,"limit":1000,"filters":{"channels":["wa"],"messagestatus":["READ"]}}`, false)
	f.Add("attemptedStartTime=946684800000&attemptedEndTime=946684800000", `{"skills":["a"],"source":[]}`, true)
	f.Add("attemptedStartTime=9999999999999&attemptedEndTime=1&v", `{"offset":1e3,"limit":-0,"filters":null}`, false)
	f.Fuzz(func(t *testing.T, query, body string, analytics bool) {
		s := New(testConfig())
		ask(t, s, testNumber)
		call := CallTransactions
		if analytics {
			call = CallAnalytics
		}
		a := arrived(pathReports+call+"/?"+query, double.JSONType, []byte(body))
		q, no := readQuery(a, call)
		if no != nil {
			return
		}
		if q.end < q.start || q.offset < 0 || call == CallTransactions && (q.limit < 1 || q.limit > 5000 || q.end-q.start > 86_400_000) {
			t.Errorf("accepted %+v", q)
		}
		if !slices.Contains(Calls(), s.route(pathReports+call+"/").call) {
			t.Error("is no call")
		}
		v := s.examineReport(a, route{call, testAccount, ""})
		rec := Received{Time: time.Now()}
		ans, _ := v.process(&rec, Fault{})
		if ans.Status != 200 || !json.Valid(ans.Body) {
			t.Errorf("got %+v", ans)
		}
	})
}

// FuzzRoute holds that only the paths of the calls lead to them.
func FuzzRoute(f *testing.F) {
	for _, p := range paths {
		f.Add("/" + strings.Join(p.elements, "/"))
	}
	f.Add("//api/account/1/invite")
	s := New(testConfig())
	f.Fuzz(func(t *testing.T, path string) {
		r := s.route(path)
		if r.call == "" {
			if r != (route{}) {
				t.Errorf("got %+v", r)
			}
			return
		}
		if r.account == "" || !known(r.call) || strings.Count(path, "/") < 4 || strings.Contains(r.account+r.arg, "/") {
			t.Errorf("%q leads to %+v", path, r)
		}
	})
}
