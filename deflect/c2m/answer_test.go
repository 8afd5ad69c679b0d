package c2m

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// TestVendorsTable holds both calls to every row of the vendor's table of errors.
func TestVendorsTable(t *testing.T) {
	const (
		rejected = deflect.ReasonRejected
		failed   = deflect.Failed
	)
	for _, row := range []struct {
		status, code int
		message      string
		outcome      deflect.Outcome
		reason       deflect.Reason
	}{
		{400, 1000, "Invalid request", failed, rejected},
		{400, 1001, "Invalid customerPhoneNumber", deflect.Ineligible, deflect.ReasonNumberNotMobile},
		{400, 1002, "Invalid version", failed, rejected},
		{400, 1200, "No internal user is available", failed, rejected},
		{400, 1201, "No internal app is available", failed, rejected},
		{400, 1300, "No engagement found for skill sales", failed, rejected},
		{400, 1400, "Message cannot be sent", deflect.Ineligible, deflect.ReasonOpenConversation},
		{400, 1500, "No handoff is available", failed, rejected},
		{400, 1501, "No handoff channel is available", failed, rejected},
		{400, 1600, "No setting is available", failed, rejected},
		{400, 1900, "Overridden channel is not available", failed, rejected},
		{400, 1901, "No engagement provided for the overridden skill", failed, rejected},
		{401, 1100, "Invalid Bearer token", failed, deflect.ReasonUnauthorized},
		{403, 1101, "Not enough privilege to perform this operation", failed, deflect.ReasonUnauthorized},
		{404, 1004, "Not Found", failed, rejected},
		{405, 1005, "Method Not Allowed", failed, rejected},
		{415, 1015, "Unsupported Media Type", failed, rejected},
		{429, 1029, "Rate limit hit", failed, deflect.ReasonRateLimited},
		{500, 5000, "Internal Server Error", deflect.Uncertain, deflect.ReasonServerError},
		{500, 7000, "Internal Server Error", deflect.Uncertain, deflect.ReasonServerError},
		{500, 1400, "Message cannot be sent", deflect.Uncertain, deflect.ReasonServerError},
		{400, 71, "a code of the draft", failed, rejected},
		{400, 21610, "a code of another list", failed, rejected},
	} {
		t.Run(fmt.Sprint(row.status, " ", row.code), func(t *testing.T) {
			r := reply{status: row.status, body: fmt.Sprintf(`{"errorMessage":%q,"errorCode":%d}`, row.message, row.code)}
			api := &stub{eligibility: r}
			c := testClient(t, api, nil)
			text := read(t, c, testCall())
			check := func(a deflect.Attempt) {
				t.Helper()
				want(t, a, row.outcome, row.reason)
				var apiErr *APIError
				if !errors.As(a.Err, &apiErr) || apiErr.Code != row.code || apiErr.Status != row.status || apiErr.Message != row.message || a.Status != row.status {
					t.Errorf("%d: %#v", a.Status, apiErr)
				}
				if wait := a.RetryAfter; wait != 0 && row.status != 429 || wait != 5*time.Second && row.status == 429 {
					t.Errorf("RetryAfter %s", wait)
				}
			}
			check(c.Ask(t.Context(), text))
			if text.Ticket != nil || text.CallID != "" {
				t.Errorf("a ticket: %v, %q", text.Ticket, text.CallID)
			}
			api.eligibility, api.invite = reply{}, r
			check(c.Send(t.Context(), asked(t, c, testCall())))
			if n := api.count("/invite"); n != 1 {
				t.Errorf("%d invites", n)
			}
		})
	}
}

// Every status has a meaning, and it is the safe one.
func TestEveryStatus(t *testing.T) {
	for status := 100; status <= 999; status++ {
		for _, a := range []deflect.Attempt{
			judgeInvite(status, http.Header{}, []byte(`{"x":1}`), nil),
			judgeEligibility(status, http.Header{}, []byte(`{"x":1}`), nil, &eligible{}),
		} {
			want, reasons := deflect.Uncertain, []deflect.Reason{deflect.ReasonServerError}
			switch {
			case status >= 200 && status < 300:
				reasons = []deflect.Reason{deflect.ReasonBadResponse}
			case status >= 300 && status < 400:
				want, reasons = deflect.Failed, []deflect.Reason{deflect.ReasonRedirected}
			case status >= 400 && status < 500:
				want, reasons = deflect.Failed, []deflect.Reason{deflect.ReasonRejected, deflect.ReasonUnauthorized, deflect.ReasonRateLimited}
			}
			if a.Outcome != want || !slices.Contains(reasons, a.Reason) || !slices.Contains(deflect.Reasons(a.Outcome), a.Reason) {
				t.Errorf("status %d is %s %s", status, a.Outcome, a.Reason)
			}
		}
	}
}

func TestJudgeInvite(t *testing.T) {
	long := strings.Repeat("1", 65)
	tests := []struct {
		name    string
		status  int
		body    string
		readErr error
		outcome deflect.Outcome
		reason  deflect.Reason
		message string
	}{
		{"the vendor's example", 200, `{"callId":"ec88bd52-3d1e-40a7-a2fc-95565a528258"}`, nil, deflect.Sent, deflect.ReasonOK, ""},
		{"created", 201, taken, nil, deflect.Sent, deflect.ReasonOK, ""},
		{"a number", 200, `{"callId":473513}`, nil, deflect.Sent, deflect.ReasonOK, ""},
		{"a callId of another form", 200, `{"callId":"1~x=${system(id)}` + long + `"}`, nil, deflect.Sent, deflect.ReasonOK, ""},
		{"more than was asked for", 200, `{"callId":"1","x":{}}`, nil, deflect.Sent, deflect.ReasonOK, ""},
		{"a code of nothing", 200, `{"callId":"1","errorCode":0}`, nil, deflect.Sent, deflect.ReasonOK, ""},
		{"a callId and a code", 200, `{"callId":"1","errorCode":1400,"errorMessage":"no"}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "no"},
		{"a code", 200, `{"errorCode":1400}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"nothing", 200, `{}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"null", 200, `{"callId":null}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"an empty callId", 200, `{"callId":" "}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"an object", 200, `{"callId":{}}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"another spelling", 200, `{"callid":"1"}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"no body", 204, ``, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"a page", 200, `<html>ok</html>`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"a list", 200, `[` + taken + `]`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"more behind it", 200, taken + `x`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"cut", 200, `{"callId":"1`, io.ErrUnexpectedEOF, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"complete but cut", 200, taken, io.ErrUnexpectedEOF, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"a code as a text", 400, `{"errorCode":"1400"}`, nil, deflect.Ineligible, deflect.ReasonOpenConversation, ""},
		{"a code with a fraction", 400, `{"errorCode":1400.5}`, nil, deflect.Failed, deflect.ReasonRejected, ""},
		{"a callId of a refusal", 400, `{"callId":"1"}`, nil, deflect.Failed, deflect.ReasonRejected, ""},
		{"a code without its status", 400, `{"errorCode":1100}`, nil, deflect.Failed, deflect.ReasonUnauthorized, ""},
		{"a limit without its status", 400, `{"errorCode":1029}`, nil, deflect.Failed, deflect.ReasonRateLimited, ""},
		{"a refusal that lacks its end", 400, `{"errorMessage":"no","errorCode":1000}`, io.ErrUnexpectedEOF, deflect.Failed, deflect.ReasonRejected, "no"},
		{"cut before it says why", 401, `{"errorMess`, nil, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"a cut page", 404, `<html>`, io.ErrUnexpectedEOF, deflect.Uncertain, deflect.ReasonBadResponse, ""},
		{"a large page", 404, `<html>`, wire.ErrLargeAnswer, deflect.Failed, deflect.ReasonRejected, ""},
		{"a page for a token", 401, `<html>`, nil, deflect.Failed, deflect.ReasonUnauthorized, ""},
		{"a nonce", 401, `{"error":"Invalid Nonce - Nonce has been previously used"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, ""},
		{"a nonce beside a callId", 200, `{"callId":"1","errorMessage":"Invalid Nonce"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "Invalid Nonce"},
		{"a crash with a callId", 500, taken, nil, deflect.Uncertain, deflect.ReasonServerError, ""},
		{"a message with a number", 400, `{"errorMessage":"(404) 343-8646 is no mobile"}`, nil, deflect.Failed, deflect.ReasonRejected, "(***46 is no mobile"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := judgeInvite(tt.status, http.Header{}, []byte(tt.body), tt.readErr)
			want(t, a, tt.outcome, tt.reason)
			var api *APIError
			if errors.As(a.Err, &api) && (api.Message != tt.message || api.Status != tt.status) {
				t.Errorf("%v, want message %q", api, tt.message)
			}
		})
	}
}

func TestJudgeEligibility(t *testing.T) {
	const no, bad = deflect.ReasonNotEligible, deflect.ReasonBadResponse
	id := `"callId":"` + ticketID + `"`
	tests := []struct {
		name, body string
		outcome    deflect.Outcome
		reason     deflect.Reason
		want       eligible
	}{
		{"the vendor's example", yes, deflect.Sent, deflect.ReasonOK, eligible{ticketID, []Channel{SMS, WhatsApp}, SMS}},
		{"a text", `{"eligible":"True",` + id + `}`, deflect.Sent, deflect.ReasonOK, eligible{callID: ticketID}},
		{"no channels", `{"eligible":true,"availableChannels":[],"recommendedChannelName":"",` + id + `}`, deflect.Sent, deflect.ReasonOK, eligible{callID: ticketID}},
		{"twilio, twice", `{"eligible":true,"availableChannels":["twilio","SMS","rcs"],"recommendedChannelName":"Twilio",` + id + `}`, deflect.Sent, deflect.ReasonOK, eligible{ticketID, []Channel{SMS}, SMS}},
		{"odd channels", `{"eligible":true,"availableChannels":{"a":1},"recommendedChannelName":7,` + id + `}`, deflect.Sent, deflect.ReasonOK, eligible{callID: ticketID}},
		{"no", `{"availableChannels":[],"recommendedChannelName":"","eligible":false,` + id + `}`, deflect.Ineligible, no, eligible{}},
		{"no as a text", `{"eligible":"false"}`, deflect.Ineligible, no, eligible{}},
		{"no, with a code", `{"eligible":false,"errorCode":1400}`, deflect.Ineligible, no, eligible{}},
		{"nothing", `{}`, deflect.Uncertain, bad, eligible{}},
		{"null", `{"eligible":null,` + id + `}`, deflect.Uncertain, bad, eligible{}},
		{"a number", `{"eligible":1,` + id + `}`, deflect.Uncertain, bad, eligible{}},
		{"without a callId", `{"eligible":true}`, deflect.Uncertain, bad, eligible{}},
		{"a callId of another form", `{"eligible":true,"callId":"a b"}`, deflect.Uncertain, bad, eligible{callID: "a b"}},
		{"a page", `<html>`, deflect.Uncertain, bad, eligible{}},
		{"cut", yes[:len(yes)-1], deflect.Uncertain, bad, eligible{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e eligible
			want(t, judgeEligibility(200, http.Header{}, []byte(tt.body), nil, &e), tt.outcome, tt.reason)
			if diff := cmp.Diff(tt.want, e, cmp.AllowUnexported(eligible{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A 429 wants five seconds, or what it asks for if that is more.
func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"": 5 * time.Second, "1": 5 * time.Second, "soon": 5 * time.Second, "20": 20 * time.Second} {
		a := judgeInvite(429, http.Header{"Retry-After": {header}}, nil, nil)
		if a.RetryAfter != want {
			t.Errorf("Retry-After %q: %s, want %s", header, a.RetryAfter, want)
		}
	}
	if a := judgeInvite(503, http.Header{"Retry-After": {"20"}}, nil, nil); a.RetryAfter != 0 {
		t.Errorf("503: %s", a.RetryAfter)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(200, []byte(yes), false)
	f.Add(200, []byte(taken), false)
	f.Add(400, []byte(`{"errorMessage":"Failed +1 404-343-8646","errorCode":1400}`), false)
	f.Add(401, []byte(`{"error":"Invalid Nonce"}`), true)
	f.Add(200, []byte("{\"eligible\":true,\"callId\":\"\\u202e\x80\"}"), false)
	f.Fuzz(func(t *testing.T, status int, body []byte, cut bool) {
		var readErr error
		if cut {
			readErr = io.ErrUnexpectedEOF
		}
		var e eligible
		for i, a := range []deflect.Attempt{judgeInvite(status, http.Header{}, body, readErr), judgeEligibility(status, http.Header{}, body, readErr, &e)} {
			if !slices.Contains(deflect.Reasons(a.Outcome), a.Reason) {
				t.Fatalf("%s %s is not on the closed list", a.Outcome, a.Reason)
			}
			if a.Outcome == deflect.Sent && (cut || status < 200 || status > 299) {
				t.Fatalf("status %d, cut %v: sent", status, cut)
			}
			if i == 1 && a.Outcome == deflect.Sent && !clean.IsCallID(e.callID) {
				t.Fatalf("callId %q", e.callID)
			}
			if (a.Outcome == deflect.Ineligible || a.Outcome == deflect.Failed) && status >= 500 {
				t.Fatalf("status %d: %s", status, a.Outcome)
			}
			var api *APIError
			if !errors.As(a.Err, &api) {
				continue
			}
			if m := api.Message; len(m) > 256 || !utf8.ValidString(m) || strings.IndexFunc(m, unicode.IsControl) >= 0 || clean.Text(m) != m {
				t.Fatalf("message %q", m)
			}
		}
	})
}
