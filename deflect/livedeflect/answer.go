package livedeflect

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
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
	if err := json.Unmarshal(body, &f, wire.AnswerOptions); err != nil {
		return answer{}, errNotAnswer
	}
	var a answer
	switch strings.ToLower(strings.TrimSpace(wire.Scalar(f.Success))) {
	case "true":
		a.said, a.success = true, true
	case "false":
		a.said = true
	}
	if id := wire.Scalar(f.CallID); clean.IsCallID(id) {
		a.callID = id
	}
	a.message = clean.Text(wire.Scalar(f.Error))
	a.refused = a.message != ""
	if !a.refused {
		a.message = clean.Text(wire.Scalar(f.Message))
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
