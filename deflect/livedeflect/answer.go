package livedeflect

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// answer is what an API answer says.
type answer struct {
	said    bool // success was there and could be read
	success bool
	callID  string
	refused bool   // there was an error, which a success has not
	message string // error or message, cleaned
}

var (
	errSaysNothing = errors.New("the answer holds no success")
	errNotAnswer   = errors.New("the answer is not a JSON object")
)

// parseAnswer reads an answer. Names are matched exactly, and the last one of several
// counts; success and callId may be strings or what JSON has for them, because the
// vendor's pages show both.
func parseAnswer(body []byte) (answer, error) {
	var f fields
	if err := json.Unmarshal(body, &f, answerOptions); err != nil {
		return answer{}, errNotAnswer
	}
	var a answer
	switch strings.ToLower(strings.TrimSpace(scalar(f.Success))) {
	case "true":
		a.said, a.success = true, true
	case "false":
		a.said = true
	}
	if id := scalar(f.CallID); clean.IsCallID(id) {
		a.callID = id
	}
	a.message = clean.Text(scalar(f.Error))
	a.refused = a.message != ""
	if !a.refused {
		a.message = clean.Text(scalar(f.Message))
	}
	return a, nil
}

// fields are values of an answer as they stand in it.
type fields struct {
	Success jsontext.Value `json:"success"`
	CallID  jsontext.Value `json:"callId"`
	Error   jsontext.Value `json:"error"`
	Message jsontext.Value `json:"message"`
}

// answerOptions are generous: what is odd about an answer must not turn one that
// says something into one that cannot be read.
var answerOptions = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// scalar returns a JSON string's text, or the literal of anything else; null and an
// absent field are empty.
func scalar(v jsontext.Value) string {
	switch v.Kind() {
	case jsontext.KindInvalid, jsontext.KindNull:
		return ""
	case jsontext.KindString:
		return string(unquote(v))
	}
	return string(v)
}
