package liveperson

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

func TestLifeOf(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"":                           time.Hour,
		"3599":                       3599 * time.Second,
		" 60 ":                       time.Minute,
		"59.5":                       59500 * time.Millisecond,
		"1e3":                        1000 * time.Second,
		"1":                          10 * time.Second,
		"0":                          time.Hour,
		"-5":                         time.Hour,
		"-1e9":                       time.Hour,
		"soon":                       time.Hour,
		"NaN":                        time.Hour,
		"Inf":                        24 * time.Hour,
		"-Inf":                       time.Hour,
		"1e999":                      24 * time.Hour,
		"99999999999999999999999999": 24 * time.Hour,
	} {
		if got := lifeOf(in); got != want {
			t.Errorf("lifeOf(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestReadToken(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		status int
		body   string
		err    error
		token  string
		life   time.Duration
		reason deflect.Reason
	}{
		{200, `{"access_token":"a.b-c_d~e+f/g==","token_type":"Bearer","expires_in":"3599"}`, nil, "a.b-c_d~e+f/g==", 3599 * time.Second, deflect.ReasonOK},
		{200, `{"access_token":"a","token_type":"bearer","expires_in":60}`, nil, "a", time.Minute, deflect.ReasonOK},
		{201, `{"access_token":"a"}`, nil, "a", time.Hour, deflect.ReasonOK},
		{200, `{"access_token":"a","expires_in":null,"scope":["x"],"token_type":null}`, nil, "a", time.Hour, deflect.ReasonOK},
		{200, `{"access_token":"a","expires_in":{"s":1}}`, nil, "a", time.Hour, deflect.ReasonOK},
		{200, `{"access_token":"a","token_type":"mac"}`, nil, "", 0, deflect.ReasonBadResponse},
		{200, `{"access_token":7}`, nil, "", 0, deflect.ReasonBadResponse},
		{200, `{"access_token":""}`, nil, "", 0, deflect.ReasonBadResponse},
		{200, `{"access_token":"a b"}`, nil, "", 0, deflect.ReasonBadResponse},
		{200, `{"access_token":"a\r\nX-Evil: 1"}`, nil, "", 0, deflect.ReasonBadResponse},
		{200, `{"access_token":"` + strings.Repeat("a", 7<<10) + `"}`, nil, "", 0, deflect.ReasonBadResponse},
		{200, `{"Access_Token":"a"}`, nil, "", 0, deflect.ReasonBadResponse},
		{200, `{"access_token":"a"}`, broken, "", 0, deflect.ReasonBadResponse},
		{200, `["a"]`, nil, "", 0, deflect.ReasonBadResponse},
		{200, ``, nil, "", 0, deflect.ReasonBadResponse},
		{200, `{"access_token":"a"} x`, nil, "", 0, deflect.ReasonBadResponse},
		{101, `{"access_token":"a"}`, nil, "", 0, deflect.ReasonServerError},
		{302, `{"access_token":"a"}`, nil, "", 0, deflect.ReasonRedirected},
		{400, `{"access_token":"a"}`, nil, "", 0, deflect.ReasonUnauthorized},
		{403, ``, broken, "", 0, deflect.ReasonUnauthorized},
		{405, ``, nil, "", 0, deflect.ReasonRejected},
		{429, ``, nil, "", 0, deflect.ReasonRateLimited},
		{599, ``, nil, "", 0, deflect.ReasonServerError},
	} {
		token, life, reason, err := readToken(tt.status, []byte(tt.body), tt.err, "opensesame")
		if token != tt.token || life != tt.life || reason != tt.reason || (err == nil) != (reason == deflect.ReasonOK) {
			t.Errorf("%d %s: %q for %s, %s, %v", tt.status, tt.body, token, life, reason, err)
		}
	}
	_, _, _, err := readToken(401, []byte(`{"code":0,"message":"no app\nlike that"}`), nil, "opensesame")
	if err == nil || !strings.Contains(err.Error(), `(HTTP 401 "no app like that")`) {
		t.Errorf("%v does not say what the answer says", err)
	}
}

// Whatever comes: a token that a header can carry, for a time that is bounded, or an error
// that is short, and in which the secret does not stand.
func FuzzReadToken(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"a.b","token_type":"Bearer","expires_in":"3599"}`, `{"access_token":"a","expires_in":-1.5e300}`,
		`{"error":"invalid_client","error_description":"opensesame"}`, `{"message":"open\u0001sesame"}`, `{"error":{"x":1}}`, "<html>", "",
	} {
		for _, status := range []int{200, 302, 400, 401, 404, 429, 500} {
			f.Add(status, []byte(body), false)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, cut bool) {
		const secret = "opensesame"
		var readErr error
		if cut {
			readErr = errors.New("cut")
		}
		token, life, reason, err := readToken(status, body, readErr, secret)
		if (err == nil) != (reason == deflect.ReasonOK) || (err == nil) != (token != "") {
			t.Errorf("%q, %s, %v", token, reason, err)
		}
		if err != nil {
			if text := fmt.Sprint(err); strings.Contains(text, secret[:5]) || len(text) > 1000 || strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("%q", text)
			}
			return
		}
		if strings.ContainsAny(token, " \t\r\n\"\\,") || len(token) > maxToken || life < leastTokenLife || life > mostTokenLife {
			t.Errorf("%q for %s", token, life)
		}
	})
}
