package livedeflecttest

import (
	"encoding/json"
	"net/http"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// success has exactly the form of the vendor's example, where both values are
// strings.
func success(callID string, boolean bool) double.Answer {
	if boolean {
		return double.JSONAnswer(http.StatusOK, `{"callId":"`+callID+`","success":true}`)
	}
	return double.JSONAnswer(http.StatusOK, `{"callId":"`+callID+`","success":"true"}`)
}

// words are how the vendor puts what is wrong.
var words = double.Words{
	Error: func(status int) double.Answer { return errorAnswer(status, http.StatusText(status)) },
	// A status that says all is well, and a body that says it is not: so does the vendor
	// in its sibling call.
	No: func(boolean bool) double.Answer {
		body := `{"success":"false","message":"{}"}`
		if boolean {
			body = `{"success":false,"message":"{}"}`
		}
		ans := double.JSONAnswer(http.StatusOK, body)
		ans.Reason = "success false"
		return ans
	},
	Used: func() double.Answer { return refusal(http.StatusUnauthorized, double.ReasonNonce) },
}

func refusal(status int, reason string) double.Answer {
	ans := errorAnswer(status, reason)
	ans.Reason = reason
	if status == http.StatusMethodNotAllowed {
		ans.Header.Set("Allow", http.MethodPost)
	}
	return ans
}

func errorAnswer(status int, text string) double.Answer {
	body, _ := json.Marshal(map[string]string{"error": text}) // strings always marshal
	return double.JSONAnswer(status, string(body))
}
