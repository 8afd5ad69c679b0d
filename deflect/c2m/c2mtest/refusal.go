package c2mtest

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// refusal is an answer that says why a request is not processed. Each of LivePerson's
// services says it in another form.
type refusal struct {
	status int
	code   code // of the vendor's table; only eligibility and invites show it
	text   string
	allow  string // the methods, of a 405
}

// refused makes the refusal of a code. The detail is ours, and tells what the vendor's
// text does not.
func refused(c code, detail string) *refusal {
	text := codes[c].text
	if detail != "" {
		text += ": " + detail
	}
	return &refusal{status: codes[c].status, code: c, text: text}
}

// reason is what the record says.
func (r *refusal) reason() string { return strconv.Itoa(int(r.code)) + " " + r.text }

func (r *refusal) answer(call string) double.Answer {
	ans := double.JSONAnswer(r.status, r.body(call))
	ans.Reason = r.reason()
	if r.allow != "" {
		ans.Header.Set("Allow", r.allow)
	}
	return ans
}

func (r *refusal) body(call string) string {
	var body any
	switch call {
	case CallToken: // as RFC 6749, 5.2
		body = struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}{oauthError(r.status), r.text}
	case CallTransactions, CallAnalytics:
		body = struct {
			Code    int    `json:"code"`
			TraceID string `json:"requestTraceId"`
			Message string `json:"message"`
		}{0, double.UUIDOf("trace " + r.text), r.text}
	case CallDomain, CallShiftStatus:
		body = struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{0, r.text}
	default:
		return errorBody(r.code, r.text)
	}
	b, _ := json.Marshal(body) // of strings
	return string(b)
}

func oauthError(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "invalid_client"
	case status >= 500:
		return "server_error"
	}
	return "invalid_request"
}

// words are how the service of a call puts what a fault lets it say.
func (s *Server) words(r route, rec *Received, v verdict, f Fault) double.Words {
	used := &refusal{status: http.StatusUnauthorized, code: invalidBearer, text: double.ReasonNonce}
	if rec.Auth == bearer {
		used.text = codes[invalidBearer].text
		if r.call == CallInvite && f.DeliveredTwice && !f.InvalidNonce {
			used = refused(cannotBeSent, "")
		}
	}
	return double.Words{
		Error: func(status int) double.Answer {
			ans := double.JSONAnswer(status, statusBody(status))
			if r.call != CallEligibility && r.call != CallInvite && r.call != "" {
				ans = (&refusal{status: status, text: http.StatusText(status)}).answer(r.call)
				ans.Reason = ""
			}
			return ans
		},
		No: func(bool) double.Answer {
			if v.no != nil {
				ans := v.no(rec)
				ans.Reason = "said no"
				return ans
			}
			return (&refusal{status: http.StatusUnauthorized, code: invalidBearer, text: "said no"}).answer(r.call)
		},
		Used: func() double.Answer { return used.answer(r.call) },
	}
}
