package c2m

import "fmt"

// APIError is an answer of the API that is not a success.
type APIError struct {
	Status  int    // HTTP status
	Code    int    // the answer's errorCode, or 0
	Message string // the answer's errorMessage, cleaned, cut to 256 bytes, digits masked; may be empty
	Err     error  // what an answer without an error says, or why it could not be read; or nil
}

func (e *APIError) Error() string {
	s := fmt.Sprintf("HTTP %d", e.Status)
	if e.Code != 0 {
		s += fmt.Sprintf(", code %d", e.Code)
	}
	if e.Message != "" {
		s += fmt.Sprintf(" %q", e.Message)
	}
	if hint := hints[e.Code]; hint != "" {
		s += " (" + hint + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *APIError) Unwrap() error { return e.Err }

// The vendor's codes that say more of a caller, or of the credentials, than that the request
// was refused.
const (
	codeNumber           = 1001
	codeRateLimit        = 1029
	codeToken            = 1100
	codePrivilege        = 1101
	codeOpenConversation = 1400
)

// hints say what to do about a code, where its message does not.
var hints = map[int]string{
	codeNumber:           "a landline, or no number, as the vendor's report has it",
	codeToken:            "look at the client id and secret, or the API key",
	codePrivilege:        "the key needs the permission IVR Engagement",
	1200:                 "the account lacks the system user liveperson-outbound-user: ask LivePerson",
	1201:                 "the account lacks the system key SmartConnect: ask LivePerson",
	1300:                 "no engagement of the handoff has the skill: look at both",
	codeOpenConversation: "the caller has an open conversation, as the vendor's report has it",
	1500:                 "look at the handoff id",
	1501:                 "the handoff has no channel that is set up",
	1600:                 "the account is not set up for Connect to Messaging",
	1900:                 "look at the channels",
	1901:                 "the skill of the press is not in the handoff",
}
