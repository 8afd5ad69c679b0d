package liveperson

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// tokenForm is what may stand behind Bearer (RFC 6750, 2.1).
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+={0,2}$`)

// maxToken is as much of it as servers take in a header.
const maxToken = 6 << 10

// readToken reads an answer of sentinel; readErr is why its body is incomplete. Its words are
// shown, unless a part of the secret is among them.
func readToken(status int, body []byte, readErr error, secret string) (token string, life time.Duration, r deflect.Reason, err error) {
	if r, err := unasked(status, "sentinel"); err != nil {
		return "", 0, r, err
	}
	var a struct {
		Token       jsontext.Value `json:"access_token"`
		Type        jsontext.Value `json:"token_type"`
		Expires     jsontext.Value `json:"expires_in"`
		Error       jsontext.Value `json:"error"`
		Description jsontext.Value `json:"error_description"`
		Message     jsontext.Value `json:"message"`
	}
	jsonErr := json.Unmarshal(body, &a, wire.AnswerOptions)
	if status >= 400 {
		said := ""
		for _, v := range []jsontext.Value{a.Description, a.Message, a.Error} {
			words := clean.Text(wire.Scalar(v))
			if words != "" && jsonErr == nil && !reveals(words, secret) && !reveals(words, url.QueryEscape(secret)) {
				said = fmt.Sprintf(" %q", words)
				break
			}
		}
		switch status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			return "", 0, deflect.ReasonUnauthorized, fmt.Errorf("sentinel refuses the app (HTTP %d%s): check account, client id and client secret, and that the app may use client credentials", status, said)
		}
		return "", 0, deflect.ReasonRejected, fmt.Errorf("what answers in sentinel's place has no tokens for the account (HTTP %d%s): check the account id and sentinel's address", status, said)
	}
	const otherServer = ": check sentinel's address, and proxies on the way"
	switch {
	case readErr != nil:
		return "", 0, deflect.ReasonBadResponse, fmt.Errorf("sentinel's answer breaks off, or is too long: %w", readErr)
	case jsonErr != nil:
		return "", 0, deflect.ReasonBadResponse, errors.New("sentinel's answer is no JSON object" + otherServer)
	case a.Token.Kind() != jsontext.KindString || len(a.Token) > maxToken || !tokenForm.MatchString(wire.Scalar(a.Token)):
		return "", 0, deflect.ReasonBadResponse, errors.New("sentinel's answer has no token that a request could carry" + otherServer)
	case wire.Scalar(a.Type) != "" && !strings.EqualFold(wire.Scalar(a.Type), "bearer"):
		return "", 0, deflect.ReasonBadResponse, errors.New("sentinel's token is of another type than Bearer" + otherServer)
	}
	return wire.Scalar(a.Token), lifeOf(wire.Scalar(a.Expires)), deflect.ReasonOK, nil
}

// lifeOf reads expires_in, in seconds: LivePerson's page leaves it out, one of its clients
// wants a string, another a number. What says nothing is an hour.
func lifeOf(expires string) time.Duration {
	s, err := strconv.ParseFloat(strings.TrimSpace(expires), 64)
	switch {
	case err != nil && !math.IsInf(s, 0), math.IsNaN(s), s <= 0:
		return tokenLife
	case s > mostTokenLife.Seconds():
		return mostTokenLife
	}
	return max(time.Duration(s*float64(time.Second)), leastTokenLife)
}

// reveals reports whether a text holds a part of the secret from which it might be guessed.
func reveals(text, secret string) bool {
	const part = 5
	if len(secret) <= part {
		return secret != "" && strings.Contains(text, secret)
	}
	for i := range len(secret) - part + 1 {
		if strings.Contains(text, secret[i:i+part]) {
			return true
		}
	}
	return false
}
