package deflect

import (
	"slices"
	"time"
)

// Outcome is how a call ended for the caller. The list is closed: dialplans,
// metrics and logs branch on it.
//
//   - sent: the API took the request: a text is on its way
//   - declined: the caller said no
//   - no_input: the caller pressed nothing
//   - ineligible: the caller was not offered a text, or cannot get one
//   - failed: certainly no text was sent
//   - uncertain: a request left and nothing tells whether a text was sent
//   - abandoned: the caller left before asking for a text
type Outcome string

// The outcomes of a call; [Outcome] says what they mean.
const (
	Sent       Outcome = "sent"
	Declined   Outcome = "declined"
	NoInput    Outcome = "no_input"
	Ineligible Outcome = "ineligible"
	Failed     Outcome = "failed"
	Uncertain  Outcome = "uncertain"
	Abandoned  Outcome = "abandoned"
)

// Reason says in one word why a call has its outcome. The list is closed. It is
// the one source of the metric label, the log attribute and the channel
// variable of that name. The reasons, each with the outcomes it occurs with:
//
//   - ok (sent): the answer held a true success
//   - decline_key (declined): the caller pressed the decline digit
//   - no_key (no_input): every offer passed without the accept digit, or an agent
//     came first
//   - no_number (no_input): the caller accepted, was asked for a number and gave
//     none
//   - hangup (abandoned): the caller hung up
//   - transferred (abandoned): somebody else moved the call away
//   - number_hidden (ineligible): the caller withheld the number, or digits stand
//     where there is none
//   - number_invalid (ineligible): not a number that somebody can have, or one that
//     can be read as two
//   - number_fixed_line (ineligible): a landline cannot get a text
//   - number_not_textable (ineligible): a premium-rate, toll-free, personal, pager
//     or similar number
//   - number_not_mobile (ineligible): line types are strict, and it is not known to
//     be a mobile
//   - country (ineligible): the number is of a country that is not texted
//   - no_consent (ineligible): consent is required and was not given
//   - opted_out (ineligible): the number is on the do-not-text list
//   - outside_hours (ineligible): the messaging team is not there
//   - wait_too_short (ineligible): the expected wait is not worth an offer
//   - not_sampled (ineligible): only a percentage of calls is offered a text, and
//     this is none of them
//   - cooldown (ineligible): the caller was texted a short while ago
//   - cooldown_unknown (ineligible, failed): the store of cooldowns did not answer
//   - no_profile (ineligible): no profile serves the dialled number
//   - already_asked (ineligible): this call was asked before
//   - breaker_open (ineligible, failed): the API is known to be down: not offered, or
//     asked for in vain
//   - invalid_call (ineligible, failed): the request would be malformed; the error
//     lists every problem
//   - unauthorized (failed): 401 or 403, or the request got no credentials, such as a
//     token
//   - rate_limited (failed): 429 without a Retry-After that fits the deadline
//   - rejected (failed): another 4xx, or an answer that says no
//   - redirected (failed): 3xx; redirects are not followed
//   - unreachable (failed): no byte of the request left this machine, or the server
//     says that it did not process it (HTTP/2)
//   - deadline (failed): the live deadline, or that of the context of Deflect,
//     passed before a byte left, or left too little time for a request
//   - prompt (failed): the offer could not be played
//   - switch (failed): the switch refused a command or broke the protocol
//   - server_error (uncertain): 5xx
//   - timeout (uncertain): no answer within the live deadline, or an earlier one of
//     the context of Deflect
//   - connection_lost (uncertain): the connection broke before the answer
//   - invalid_nonce (uncertain): the API had seen our request before, so it came
//     twice, and the first copy may have sent a text
//   - bad_response (uncertain): a 2xx that is cut, unreadable or says nothing, or a
//     4xx that is cut or encoded otherwise than in gzip
//   - canceled (failed, uncertain): the context of Deflect was cancelled
//   - shutdown (failed): this process was told to stop before the caller had
//     decided, or the Client was closed
//   - internal (failed, uncertain): a defect of this program, or a limit of this
//     machine, such as its file descriptors
type Reason string

// The reasons; [Reason] says what they mean.
const (
	ReasonOK Reason = "ok"

	ReasonDeclineKey Reason = "decline_key"
	ReasonNoKey      Reason = "no_key"
	ReasonNoNumber   Reason = "no_number"

	ReasonHangup      Reason = "hangup"
	ReasonTransferred Reason = "transferred"

	ReasonNumberHidden      Reason = "number_hidden"
	ReasonNumberInvalid     Reason = "number_invalid"
	ReasonNumberFixedLine   Reason = "number_fixed_line"
	ReasonNumberNotTextable Reason = "number_not_textable"
	ReasonNumberNotMobile   Reason = "number_not_mobile"
	ReasonCountry           Reason = "country"
	ReasonNoConsent         Reason = "no_consent"
	ReasonOptedOut          Reason = "opted_out"
	ReasonOutsideHours      Reason = "outside_hours"
	ReasonWaitTooShort      Reason = "wait_too_short"
	ReasonNotSampled        Reason = "not_sampled"
	ReasonCooldown          Reason = "cooldown"
	ReasonCooldownUnknown   Reason = "cooldown_unknown"
	ReasonNoProfile         Reason = "no_profile"
	ReasonAlreadyAsked      Reason = "already_asked"

	ReasonBreakerOpen Reason = "breaker_open"
	ReasonInvalidCall Reason = "invalid_call"

	ReasonUnauthorized Reason = "unauthorized"
	ReasonRateLimited  Reason = "rate_limited"
	ReasonRejected     Reason = "rejected"
	ReasonRedirected   Reason = "redirected"
	ReasonUnreachable  Reason = "unreachable"
	ReasonDeadline     Reason = "deadline"
	ReasonPrompt       Reason = "prompt"
	ReasonSwitch       Reason = "switch"

	ReasonServerError    Reason = "server_error"
	ReasonTimeout        Reason = "timeout"
	ReasonConnectionLost Reason = "connection_lost"
	ReasonInvalidNonce   Reason = "invalid_nonce"
	ReasonBadResponse    Reason = "bad_response"

	ReasonCanceled Reason = "canceled"
	ReasonShutdown Reason = "shutdown"
	ReasonInternal Reason = "internal"
)

// pairs is the closed list: which reasons an outcome can have.
var pairs = []struct {
	outcome Outcome
	reasons []Reason
}{
	{Sent, []Reason{ReasonOK}},
	{Declined, []Reason{ReasonDeclineKey}},
	{NoInput, []Reason{ReasonNoKey, ReasonNoNumber}},
	{Ineligible, []Reason{
		ReasonNoProfile, ReasonAlreadyAsked,
		ReasonNumberHidden, ReasonNumberInvalid, ReasonNumberFixedLine, ReasonNumberNotTextable, ReasonNumberNotMobile,
		ReasonCountry, ReasonInvalidCall, ReasonNoConsent, ReasonOptedOut, ReasonOutsideHours, ReasonWaitTooShort,
		ReasonNotSampled, ReasonCooldown, ReasonCooldownUnknown, ReasonBreakerOpen,
	}},
	{Failed, []Reason{
		ReasonInvalidCall, ReasonCooldownUnknown, ReasonBreakerOpen, ReasonUnauthorized, ReasonRateLimited,
		ReasonRejected, ReasonRedirected, ReasonUnreachable, ReasonDeadline, ReasonCanceled,
		ReasonPrompt, ReasonSwitch, ReasonShutdown, ReasonInternal,
	}},
	{Uncertain, []Reason{
		ReasonServerError, ReasonTimeout, ReasonConnectionLost, ReasonInvalidNonce, ReasonBadResponse, ReasonCanceled, ReasonInternal,
	}},
	{Abandoned, []Reason{ReasonHangup, ReasonTransferred}},
}

// Outcomes returns every outcome, in the order of the documentation.
func Outcomes() []Outcome {
	out := make([]Outcome, 0, len(pairs))
	for _, p := range pairs {
		out = append(out, p.outcome)
	}
	return out
}

// Reasons returns the reasons that an outcome can have, nil for an outcome that
// is not on the list.
func Reasons(o Outcome) []Reason {
	for _, p := range pairs {
		if p.outcome == o {
			return slices.Clone(p.reasons)
		}
	}
	return nil
}

// Result is what became of one call of [Client.Deflect].
type Result struct {
	Outcome  Outcome
	Reason   Reason
	CallID   string        // LiveDeflect's id; empty unless it has the form [A-Za-z0-9_.-]{1,64}
	Attempts int           // requests handed to the network; 0 when nothing was tried
	Status   int           // HTTP status of the last answer, 0 without one
	Duration time.Duration // from the call of Deflect to its return
}
