package c2m

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// eligible is what an eligibility says of a caller who can be texted.
type eligible struct {
	callID      string
	available   []Channel
	recommended Channel
}

// fields are values of an answer as they stand in it.
type fields struct {
	Eligible    jsontext.Value `json:"eligible"`
	CallID      jsontext.Value `json:"callId"`
	Available   jsontext.Value `json:"availableChannels"`
	Recommended jsontext.Value `json:"recommendedChannelName"`
	Code        jsontext.Value `json:"errorCode"`
	Message     jsontext.Value `json:"errorMessage"`
}

var (
	errNotAnswer    = errors.New("the answer is not a JSON object")
	errSaysNothing  = errors.New("the answer does not say whether the caller is eligible")
	errNotSaidWhy   = errors.New("the caller is not eligible; why, the API does not say")
	errNoCallID     = errors.New("the answer has no callId that can be used")
	errContradicted = errors.New("the answer has a callId and an error")
)

// judgeEligibility says what the answer to an eligibility means, and reads into e what it
// says of a caller who can be texted.
func judgeEligibility(status int, header http.Header, body []byte, readErr error, e *eligible) deflect.Attempt {
	return judge(status, header, body, readErr, func(f *fields) (deflect.Outcome, deflect.Reason, error) {
		switch strings.ToLower(strings.TrimSpace(wire.Scalar(f.Eligible))) {
		case "false":
			if f.code() != 0 || wire.Scalar(f.Message) != "" {
				return deflect.Ineligible, deflect.ReasonNotEligible, nil
			}
			return deflect.Ineligible, deflect.ReasonNotEligible, errNotSaidWhy
		case "true":
		default:
			return deflect.Uncertain, deflect.ReasonBadResponse, errSaysNothing
		}
		if e.callID = wire.Scalar(f.CallID); !clean.IsCallID(e.callID) {
			return deflect.Uncertain, deflect.ReasonBadResponse, errNoCallID
		}
		e.available, e.recommended = channelsOf(f.Available), channelOf(wire.Scalar(f.Recommended))
		return deflect.Sent, deflect.ReasonOK, nil
	})
}

// judgeInvite says what the answer to an invite means. It has a callId when the text was
// taken; which one is not looked at, the vendor's own example has another one than it sent.
func judgeInvite(status int, header http.Header, body []byte, readErr error) deflect.Attempt {
	return judge(status, header, body, readErr, func(f *fields) (deflect.Outcome, deflect.Reason, error) {
		switch kind := f.CallID.Kind(); {
		case kind != '"' && kind != '0' || strings.TrimSpace(wire.Scalar(f.CallID)) == "":
			return deflect.Uncertain, deflect.ReasonBadResponse, errNoCallID
		case f.code() != 0:
			return deflect.Uncertain, deflect.ReasonBadResponse, errContradicted
		}
		return deflect.Sent, deflect.ReasonOK, nil
	})
}

// judge says what an answer means; readErr is why the body is incomplete. success reads that
// of a 2xx.
//
// A nonce of ours that was used before came twice: something on the way delivered the
// request again, and its first copy may have sent a text. A refusal that is cut off may have
// been about to say so.
func judge(status int, header http.Header, body []byte, readErr error, success func(*fields) (deflect.Outcome, deflect.Reason, error)) deflect.Attempt {
	var f fields
	jsonErr := json.Unmarshal(body, &f, wire.AnswerOptions)
	if jsonErr != nil {
		f, jsonErr = fields{}, errNotAnswer
	}
	v := deflect.Attempt{Status: status}
	apiErr := &APIError{Status: status, Code: f.code(), Message: clean.Text(wire.Scalar(f.Message))}
	end := func(o deflect.Outcome, r deflect.Reason, err error) deflect.Attempt {
		v.Outcome, v.Reason = o, r
		if o != deflect.Sent {
			apiErr.Err, v.Err = err, apiErr
		}
		return v
	}
	refuse := func(r deflect.Reason) deflect.Attempt { return end(deflect.Failed, r, nil) }
	doubt := func(r deflect.Reason, err error) deflect.Attempt { return end(deflect.Uncertain, r, err) }
	nonce := bytes.Contains(bytes.ToLower(body), []byte("invalid nonce"))
	said := apiErr.Code != 0 || apiErr.Message != ""
	switch {
	case status >= 200 && status < 500 && nonce:
		return doubt(deflect.ReasonInvalidNonce, nil)
	case status >= 200 && status < 300:
		switch {
		case readErr != nil:
			return doubt(deflect.ReasonBadResponse, readErr)
		case jsonErr != nil:
			return doubt(deflect.ReasonBadResponse, jsonErr)
		}
		return end(success(&f))
	case status >= 300 && status < 400:
		return refuse(deflect.ReasonRedirected)
	case status >= 400 && status < 500 && readErr != nil && readErr != wire.ErrLargeAnswer && !said:
		return doubt(deflect.ReasonBadResponse, readErr)
	case status >= 400 && status < 500 && jsonErr != nil && wire.Unfinished(body):
		return doubt(deflect.ReasonBadResponse, jsonErr) // perhaps before it says why
	case status >= 400 && status < 500:
		o, r := refusal(status, apiErr.Code)
		if r == deflect.ReasonRateLimited {
			v.RetryAfter = max(wire.RetryAfter(header), minRetryAfter)
		}
		return end(o, r, nil)
	}
	return doubt(deflect.ReasonServerError, nil)
}

// The vendor wants five seconds between a 429 and the next request.
const minRetryAfter = 5 * time.Second

// refusal says what a 4xx means by the vendor's table. What other codes mean has changed
// before.
func refusal(status, code int) (deflect.Outcome, deflect.Reason) {
	switch {
	case status == http.StatusTooManyRequests, code == codeRateLimit:
		return deflect.Failed, deflect.ReasonRateLimited
	case status == http.StatusUnauthorized, status == http.StatusForbidden, code == codeToken, code == codePrivilege:
		return deflect.Failed, deflect.ReasonUnauthorized
	case code == codeOpenConversation:
		return deflect.Ineligible, deflect.ReasonOpenConversation
	case code == codeNumber:
		return deflect.Ineligible, deflect.ReasonNumberNotMobile
	}
	return deflect.Failed, deflect.ReasonRejected
}

// code is the errorCode, 0 for none. The vendor's is a number; what is not one of its form
// is none.
func (f *fields) code() int {
	n, err := strconv.ParseUint(strings.TrimSpace(wire.Scalar(f.Code)), 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// channelsOf reads the channels of an answer.
func channelsOf(v jsontext.Value) (list []Channel) {
	var names []string
	if json.Unmarshal(v, &names, wire.AnswerOptions) != nil {
		return nil
	}
	for _, name := range names {
		if ch := channelOf(name); ch != "" && !slices.Contains(list, ch) {
			list = append(list, ch)
		}
	}
	return list
}

// channelOf reads the name of a channel, "" for one that is not known. To the vendor sms and
// twilio are the same.
func channelOf(name string) Channel {
	switch ch := Channel(strings.ToLower(strings.TrimSpace(name))); ch {
	case SMS, WhatsApp, InApp:
		return ch
	case "twilio":
		return SMS
	}
	return ""
}
