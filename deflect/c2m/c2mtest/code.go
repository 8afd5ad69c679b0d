package c2mtest

import (
	"encoding/json"
	"net/http"
)

// code is one of the vendor's error codes.
type code int

// The codes that this double answers with.
const (
	invalidRequest   code = 1000
	invalidNumber    code = 1001
	invalidVersion   code = 1002
	notFound         code = 1004
	methodNotAllowed code = 1005
	wrongMediaType   code = 1015
	rateLimit        code = 1029
	invalidBearer    code = 1100
	noPrivilege      code = 1101
	noEngagement     code = 1300
	cannotBeSent     code = 1400
	noHandoff        code = 1500
	noChannel        code = 1501
	channelMissing   code = 1900
	otherSkill       code = 1901
	internal         code = 5000
)

// codes is the vendor's table.
var codes = map[code]struct {
	status int
	text   string
}{
	invalidRequest:   {400, "Invalid request"},
	invalidNumber:    {400, "Invalid customerPhoneNumber"},
	invalidVersion:   {400, "Invalid version"},
	1200:             {400, "No internal user is available"},
	1201:             {400, "No internal app is available"},
	noEngagement:     {400, "No engagement found for skill"},
	cannotBeSent:     {400, "Message cannot be sent"},
	noHandoff:        {400, "No handoff is available"},
	noChannel:        {400, "No handoff channel is available"},
	1600:             {400, "No setting is available"},
	channelMissing:   {400, "Overridden channel is not available"},
	otherSkill:       {400, "No engagement provided for the overridden skill"},
	invalidBearer:    {401, "Invalid Bearer token"},
	noPrivilege:      {403, "Not enough privilege to perform this operation"},
	notFound:         {404, "Not Found"},
	methodNotAllowed: {405, "Method Not Allowed"},
	wrongMediaType:   {415, "Unsupported Media Type"},
	rateLimit:        {429, "Rate limit hit"},
	internal:         {500, "Internal Server Error"},
}

// codeOf is the code that goes with a status that says nothing of the request.
var codeOf = map[int]code{
	400: invalidRequest, 401: invalidBearer, 403: noPrivilege, 404: notFound, 405: methodNotAllowed, 415: wrongMediaType, 429: rateLimit,
}

// ErrorBody is the body of an answer with one of the vendor's error codes, for Fault.Body;
// Fault.Status goes with it. A code that the vendor's table has no text for has none.
func ErrorBody(errorCode int) string { return errorBody(code(errorCode), codes[code(errorCode)].text) }

func errorBody(c code, text string) string {
	body, _ := json.Marshal(struct { // strings always marshal
		Message string `json:"errorMessage"`
		Code    int    `json:"errorCode"`
	}{text, int(c)})
	return string(body)
}

// statusBody is what comes with a status of which nothing else is known.
func statusBody(status int) string {
	c, ok := codeOf[status]
	if !ok && status >= 500 {
		c = internal
	}
	if text := codes[c].text; text != "" {
		return errorBody(c, text)
	}
	return errorBody(c, http.StatusText(status))
}
