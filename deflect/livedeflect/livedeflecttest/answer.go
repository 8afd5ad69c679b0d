package livedeflecttest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// answer is what a client is to get, by whichever way.
type answer struct {
	delay  time.Duration
	hang   bool // no answer until the client gives up
	reset  bool // no answer, and the connection is reset
	status int
	header http.Header
	body   []byte
	stream *stream // instead of body: one of unknown length
	gzip   bool    // the stream comes compressed
	cut    bool    // the body breaks off in the middle ...
	stall  bool    // ... and what comes then is silence, not an end

	// For the record only: why the double refused, and how much the
	// answer reports.
	reason        string
	calls, events int
}

// success has exactly the form of the vendor's example, where both values are
// strings.
func success(callID string, boolean bool) answer {
	if boolean {
		return jsonAnswer(http.StatusOK, `{"callId":"`+callID+`","success":true}`)
	}
	return jsonAnswer(http.StatusOK, `{"callId":"`+callID+`","success":"true"}`)
}

// failure has the form that the vendor shows for its sibling call: a status
// that says all is well, and a body that says it is not.
func failure(boolean bool) answer {
	body := `{"success":"false","message":"{}"}`
	if boolean {
		body = `{"success":false,"message":"{}"}`
	}
	ans := jsonAnswer(http.StatusOK, body)
	ans.reason = "success false"
	return ans
}

func refusal(status int, reason string) answer {
	ans := errorAnswer(status, reason)
	ans.reason = reason
	if status == http.StatusMethodNotAllowed {
		ans.header.Set("Allow", http.MethodPost)
	}
	return ans
}

func errorAnswer(status int, text string) answer {
	body, _ := json.Marshal(map[string]string{"error": text}) // strings always marshal
	return jsonAnswer(status, string(body))
}

func jsonAnswer(status int, body string) answer {
	return answer{status: status, header: http.Header{"Content-Type": {jsonType}}, body: []byte(body)}
}

func (ans *answer) replaceBody(body string) {
	ans.body, ans.stream, ans.calls, ans.events = []byte(body), nil, 0, 0
}

// wire gives the part of the body that reaches the client.
func (ans answer) wire() io.Reader {
	switch {
	case ans.stream != nil && ans.gzip:
		return newGzipped(ans.stream, !ans.cut)
	case ans.stream != nil:
		return ans.stream
	case ans.cut:
		return bytes.NewReader(ans.body[:len(ans.body)/2])
	}
	return bytes.NewReader(ans.body)
}
