package livedeflect

import (
	"encoding/json"
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

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

func TestJudgeBodies(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		body    string
		readErr error
		outcome deflect.Outcome
		reason  deflect.Reason
		callID  string
		message string
	}{
		{"vendor's success", 200, `{"callId" : "473513","success" : "true"}`, nil, deflect.Sent, deflect.ReasonOK, "473513", ""},
		{"boolean success", 200, `{"success":true,"response":{"name":"x"}}`, nil, deflect.Sent, deflect.ReasonOK, "", ""},
		{"spelling of true", 200, `{"success":" TRUE "}`, nil, deflect.Sent, deflect.ReasonOK, "", ""},
		{"number as callId", 200, `{"callId":473513,"success":true}`, nil, deflect.Sent, deflect.ReasonOK, "473513", ""},
		{"created", 201, `{"callId":"1","success":"true"}`, nil, deflect.Sent, deflect.ReasonOK, "1", ""},
		{"hostile callId", 200, `{"callId":"1~x=${system(id)}","success":"true"}`, nil, deflect.Sent, deflect.ReasonOK, "", ""},
		{"callId of lines", 200, `{"callId":"1\nexit","success":"true"}`, nil, deflect.Sent, deflect.ReasonOK, "", ""},
		{"long callId", 200, `{"callId":"` + strings.Repeat("1", 65) + `","success":"true"}`, nil, deflect.Sent, deflect.ReasonOK, "", ""},
		{"callId as object", 200, `{"callId":{},"success":"true"}`, nil, deflect.Sent, deflect.ReasonOK, "", ""},
		{"string false", 200, `{"success":"false","message":"{}"}`, nil, deflect.Failed, deflect.ReasonRejected, "", "{}"},
		{"boolean false", 200, `{"success":false}`, nil, deflect.Failed, deflect.ReasonRejected, "", ""},
		{"error without success", 200, `{"error":"no such skill"}`, nil, deflect.Failed, deflect.ReasonRejected, "", "no such skill"},
		{"nonce with 200", 200, `{"error":"Invalid Nonce - Nonce has been previously used"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", "Invalid Nonce - Nonce has been previously used"},
		{"queued, says a message", 200, `{"callId":"473513","message":"Message queued"}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", "Message queued"},
		{"success as a number", 200, `{"callId":"1","success":1,"message":"OK"}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", "OK"},
		{"error beside a callId", 200, `{"callId":"1","error":"late"}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", "late"},
		{"error beside a true success", 200, `{"callId":"1","success":"true","error":"late"}`, nil, deflect.Sent, deflect.ReasonOK, "1", ""},
		{"says nothing", 200, `{}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"callId only", 200, `{"callId":"1"}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"null success", 200, `{"success":null}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"odd success", 200, `{"success":"maybe"}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"other spelling of success", 200, `{"SUCCESS":"true"}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"empty", 200, ``, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"page", 200, `<html>ok</html>`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"array", 200, `[{"success":"true"}]`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"null", 200, `null`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"trailing comma of the vendor's page", 200, `{"success":"false","message":"{}",}`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"rest after the object", 200, `{"success":"true"} x`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"cut", 200, `{"callId":"473513","succ`, io.ErrUnexpectedEOF, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"complete but cut", 200, `{"callId":"473513","success":"true"}`, io.ErrUnexpectedEOF, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"no header", 401, `{"error" : "No Authorization Header"}`, nil, deflect.Failed, deflect.ReasonUnauthorized, "", "No Authorization Header"},
		{"nonce", 401, `{"error":"Invalid Nonce - Nonce has been previously used"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", "Invalid Nonce - Nonce has been previously used"},
		{"nonce, em dash", 400, "{\"error\":\"invalid nonce \u2014 used\"}", nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", "invalid nonce \u2014 used"},
		{"nonce with a cut body", 401, `{"error":"Invalid Non`, io.ErrUnexpectedEOF, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"nonce beside a false success", 200, `{"success":"false","message":"Invalid Nonce"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", "Invalid Nonce"},
		{"nonce beside a callId", 200, `{"callId":"1","error":"Invalid Nonce"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", "Invalid Nonce"},
		{"nonce from a limiter", 429, `{"error":"Invalid Nonce"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", "Invalid Nonce"},
		{"nonce with a redirect", 307, `{"error":"Invalid Nonce"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", "Invalid Nonce"},
		{"nonce in plain text", 401, `Invalid Nonce - used before`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", ""},
		{"nonce in an object", 429, `{"error":{"message":"INVALID NONCE"}}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", `{"message":"INVALID NONCE"}`},
		{"nonce in a list", 401, `{"errors":["invalid nonce"]}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", ""},
		{"nonce behind another word", 200, `{"success":"false","error":"Error: Invalid Nonce"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", "Error: Invalid Nonce"},
		{"success with a nonce", 200, `{"success":"true","callId":"1","error":"Invalid Nonce"}`, nil, deflect.Uncertain, deflect.ReasonInvalidNonce, "", "Invalid Nonce"},
		{"cut before it says why", 401, `{"error":"Inval`, nil, deflect.Uncertain, deflect.ReasonBadResponse, "", ""},
		{"refusal that lacks its end", 400, `{"error":"no such skill"}`, io.ErrUnexpectedEOF, deflect.Failed, deflect.ReasonRejected, "", "no such skill"},
		{"page that is too large", 404, `<html>`, wire.ErrLargeAnswer, deflect.Failed, deflect.ReasonRejected, "", ""},
		{"message with a number", 400, `{"error":"(404) 343-8646 is no mobile"}`, nil, deflect.Failed, deflect.ReasonRejected, "", "(***46 is no mobile"},
		{"success of an error", 400, `{"success":"true"}`, nil, deflect.Failed, deflect.ReasonRejected, "", ""},
		{"success of a crash", 500, `{"success":"true"}`, nil, deflect.Uncertain, deflect.ReasonServerError, "", ""},
		{"crash that names a nonce", 500, `{"error":"Invalid Nonce"}`, nil, deflect.Uncertain, deflect.ReasonServerError, "", "Invalid Nonce"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := judge(tt.status, http.Header{}, []byte(tt.body), tt.readErr)
			if v.Outcome != tt.outcome || v.Reason != tt.reason || v.CallID != tt.callID || v.Status != tt.status {
				t.Errorf("judge = %s %s callId %q, want %s %s %q", v.Outcome, v.Reason, v.CallID, tt.outcome, tt.reason, tt.callID)
			}
			var api *APIError
			if errors.As(v.Err, &api) != (tt.outcome != deflect.Sent) {
				t.Fatalf("error = %v", v.Err)
			}
			if api != nil && (api.Message != tt.message || api.Status != tt.status) {
				t.Errorf("error = %v, want message %q", api, tt.message)
			}
		})
	}
}

// Every status has a verdict, and it is the safe one.
func TestJudgeEveryStatus(t *testing.T) {
	for status := 100; status <= 999; status++ {
		v := judge(status, http.Header{}, []byte(`{"x":1}`), nil)
		want, reasons := deflect.Uncertain, []deflect.Reason{deflect.ReasonServerError}
		switch {
		case status >= 200 && status < 300:
			reasons = []deflect.Reason{deflect.ReasonBadResponse}
		case status >= 300 && status < 400:
			want, reasons = deflect.Failed, []deflect.Reason{deflect.ReasonRedirected}
		case status >= 400 && status < 500:
			want, reasons = deflect.Failed, []deflect.Reason{deflect.ReasonRejected, deflect.ReasonUnauthorized, deflect.ReasonRateLimited}
		}
		if v.Outcome != want || !slices.Contains(reasons, v.Reason) {
			t.Errorf("status %d is %s %s", status, v.Outcome, v.Reason)
		}
		if !slices.Contains(deflect.Reasons(v.Outcome), v.Reason) || v.Reason.Class() == nil {
			t.Errorf("status %d: %s %s is not on the closed lists", status, v.Outcome, v.Reason)
		}
	}
	for status, want := range map[int]deflect.Reason{401: deflect.ReasonUnauthorized, 403: deflect.ReasonUnauthorized, 429: deflect.ReasonRateLimited, 404: deflect.ReasonRejected} {
		if got := judge(status, http.Header{}, nil, nil).Reason; got != want {
			t.Errorf("status %d is %s, want %s", status, got, want)
		}
	}
}

// What encoders and panics say may quote what they were given.
func TestErrorsQuoteNobody(t *testing.T) {
	for _, value := range []any{json.Number("+1 404 343 8646"), tellTale{}, tellTale{panics: true}, []any{json.Number("Jane Doe")}} {
		call := validCall()
		call.CallerInfo = map[string]any{"x": value}
		_, err := testClient(t, nil).Deflect(t.Context(), next(call))
		if !errors.Is(err, deflect.ErrInvalidCall) || !strings.Contains(err.Error(), fmt.Sprintf("type %T", value)) {
			t.Errorf("%T: %v", value, err)
		}
		for _, tell := range []string{"404", "343", "8646", "Jane"} {
			if strings.Contains(err.Error(), tell) {
				t.Errorf("%T: %v", value, err)
			}
		}
	}
}

type tellTale struct{ panics bool }

func (v tellTale) MarshalJSON() ([]byte, error) {
	if v.panics {
		panic("Jane Doe, 4043438646")
	}
	return nil, errors.New("no encoding for Jane Doe, 4043438646")
}

// What an answer asks for is told as the vendor's least, 1 s, and 0 is nothing.
func TestRetryAfterOfAnAnswer(t *testing.T) {
	for _, tt := range []struct {
		status int
		header string
		want   time.Duration
	}{
		{429, "", 0}, {429, "soon", 0}, {429, "-5", 0}, {429, "0", time.Second}, {429, "1", time.Second}, {429, "20", 20 * time.Second},
		{503, "20", 0}, {200, "20", 0},
	} {
		if got := judge(tt.status, http.Header{"Retry-After": {tt.header}}, nil, nil).RetryAfter; got != tt.want {
			t.Errorf("%d with Retry-After %q: %s, want %s", tt.status, tt.header, got, tt.want)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(200, []byte(`{"callId":"473513","success":"true"}`), false)
	f.Add(200, []byte(`{"success":false,"error":"Failed +1 404-343-8646"}`), false)
	f.Add(401, []byte(`{"error":"Invalid Nonce"}`), true)
	f.Add(200, []byte("{\"message\":\"\\u202e\x80\"}"), false)
	f.Fuzz(func(t *testing.T, status int, body []byte, cut bool) {
		var readErr error
		if cut {
			readErr = io.ErrUnexpectedEOF
		}
		v := judge(status, http.Header{}, body, readErr)
		if !slices.Contains(deflect.Reasons(v.Outcome), v.Reason) {
			t.Fatalf("%s %s is not on the closed list", v.Outcome, v.Reason)
		}
		if v.Outcome == deflect.Sent && (cut || status < 200 || status > 299) {
			t.Fatalf("status %d, cut %v: sent", status, cut)
		}
		if v.CallID != "" && !callIDForm.MatchString(v.CallID) {
			t.Fatalf("callId %q", v.CallID)
		}
		var api *APIError
		if !errors.As(v.Err, &api) {
			return
		}
		m := api.Message
		if len(m) > 256 || !utf8.ValidString(m) || strings.IndexFunc(m, unicode.IsControl) >= 0 {
			t.Fatalf("message %q", m)
		}
		digits, gap := 0, 0
		for _, r := range m {
			switch {
			case unicode.IsDigit(r):
				digits, gap = digits+1, 0
			case unicode.IsLetter(r):
				digits = 0
			default:
				if gap++; gap > 3 {
					digits = 0
				}
			}
			if digits >= 7 {
				t.Fatalf("message %q shows a number", m)
			}
		}
	})
}
