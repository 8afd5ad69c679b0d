package deflect

import (
	"slices"
	"time"
)

// Outcome is how a call ended for the caller. The list is closed: dialplans,
// metrics and logs branch on it.
type Outcome string

// The outcomes of a call.
const (
	Sent       Outcome = "sent"       // the API took the request: a text is on its way
	Declined   Outcome = "declined"   // the caller said no
	NoInput    Outcome = "no_input"   // the caller pressed nothing
	Ineligible Outcome = "ineligible" // the caller was not offered a text, or cannot get one
	Failed     Outcome = "failed"     // certainly no text was sent
	Uncertain  Outcome = "uncertain"  // a request left and nothing tells whether a text was sent
	Abandoned  Outcome = "abandoned"  // the caller left before asking for a text
)

// Reason says in one word why a call has its outcome. The list is closed. It is
// the one source of the metric label, the log attribute and the channel
// variable of that name.
type Reason string

// The reasons, each with the outcomes it occurs with.
const (
	ReasonOK Reason = "ok" // sent: the answer held a true success

	ReasonDeclineKey Reason = "decline_key" // declined: the caller pressed the decline digit
	ReasonNoKey      Reason = "no_key"      // no_input: every offer passed without the accept digit, or an agent came first
	ReasonNoNumber   Reason = "no_number"   // no_input: the caller accepted, was asked for a number and gave none

	ReasonHangup      Reason = "hangup"      // abandoned: the caller hung up
	ReasonTransferred Reason = "transferred" // abandoned: somebody else moved the call away

	ReasonNumberHidden      Reason = "number_hidden"       // ineligible: the caller withheld the number, or digits stand where there is none
	ReasonNumberInvalid     Reason = "number_invalid"      // ineligible: not a number that somebody can have, or one that can be read as two
	ReasonNumberFixedLine   Reason = "number_fixed_line"   // ineligible: a landline cannot get a text
	ReasonNumberNotTextable Reason = "number_not_textable" // ineligible: a premium-rate, toll-free, personal, pager or similar number
	ReasonNumberNotMobile   Reason = "number_not_mobile"   // ineligible: line types are strict, and it is not known to be a mobile
	ReasonCountry           Reason = "country"             // ineligible: the number is of a country that is not texted
	ReasonNoConsent         Reason = "no_consent"          // ineligible: consent is required and was not given
	ReasonOptedOut          Reason = "opted_out"           // ineligible: the number is on the do-not-text list
	ReasonOutsideHours      Reason = "outside_hours"       // ineligible: the messaging team is not there
	ReasonWaitTooShort      Reason = "wait_too_short"      // ineligible: the expected wait is not worth an offer
	ReasonNotSampled        Reason = "not_sampled"         // ineligible: only a percentage of calls is offered a text, and this is none of them
	ReasonCooldown          Reason = "cooldown"            // ineligible: the caller was texted a short while ago
	ReasonCooldownUnknown   Reason = "cooldown_unknown"    // ineligible or failed: the store of cooldowns did not answer
	ReasonNoProfile         Reason = "no_profile"          // ineligible: no profile serves the dialled number
	ReasonAlreadyAsked      Reason = "already_asked"       // ineligible: this call was asked before

	ReasonBreakerOpen Reason = "breaker_open" // ineligible (not offered) or failed (asked for): the API is known to be down
	ReasonInvalidCall Reason = "invalid_call" // ineligible or failed: the request would be malformed; the error lists every problem

	ReasonUnauthorized Reason = "unauthorized" // failed: 401 or 403, or the request got no credentials, such as a token
	ReasonRateLimited  Reason = "rate_limited" // failed: 429 without a Retry-After that fits the deadline
	ReasonRejected     Reason = "rejected"     // failed: another 4xx, or an answer that says no
	ReasonRedirected   Reason = "redirected"   // failed: 3xx; redirects are not followed
	ReasonUnreachable  Reason = "unreachable"  // failed: no byte of the request left this machine
	ReasonDeadline     Reason = "deadline"     // failed: the live deadline, or that of the context of Deflect, passed before a byte left
	ReasonPrompt       Reason = "prompt"       // failed: the offer could not be played
	ReasonSwitch       Reason = "switch"       // failed: the switch refused a command or broke the protocol

	ReasonServerError    Reason = "server_error"    // uncertain: 5xx
	ReasonTimeout        Reason = "timeout"         // uncertain: no answer within the live deadline, or an earlier one of the context of Deflect
	ReasonConnectionLost Reason = "connection_lost" // uncertain: the connection broke before the answer
	ReasonInvalidNonce   Reason = "invalid_nonce"   // uncertain: the API had seen our request before, so it came twice, and the first copy may have sent a text
	ReasonBadResponse    Reason = "bad_response"    // uncertain: a 2xx that is cut, unreadable or says nothing, or a 4xx that is cut

	ReasonCanceled Reason = "canceled" // failed or uncertain: the context of Deflect was cancelled
	ReasonShutdown Reason = "shutdown" // failed: this process was told to stop before the caller had decided
	ReasonInternal Reason = "internal" // failed or uncertain: a defect of this program, or a limit of this machine, such as its file descriptors
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
