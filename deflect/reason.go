package deflect

import "slices"

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
//   - deferred: the caller asked for a text, and none was sent yet: it waits in the journal
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
	Deferred   Outcome = "deferred"
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
//     be a mobile; or the API says that it is a landline, or no number
//   - country (ineligible): the number is of a country that is not texted
//   - no_consent (ineligible): consent is required and was not given
//   - opted_out (ineligible): the number is on the do-not-text list, or the list did
//     not answer; or the API says that its owner wants no texts
//   - outside_hours (ineligible, deferred): the messaging team is not there
//   - off_shift (ineligible): no agent is on shift
//   - shift_unknown (ineligible): nobody knows whether an agent is on shift
//   - wait_too_short (ineligible): the expected wait is not worth an offer
//   - not_sampled (ineligible): only a percentage of calls is offered a text, and
//     this is none of them
//   - cooldown (ineligible): the caller was texted a short while ago
//   - cooldown_unknown (ineligible, failed): the store of cooldowns did not answer
//   - budget (ineligible): as many texts as the agents can take were sent or are being
//     offered
//   - budget_unknown (ineligible, failed): the store of budgets did not answer
//   - not_eligible (ineligible): the API says that this caller can get no text
//   - open_conversation (ineligible): the API says that the caller has a conversation
//     with the agents already, so that no text would arrive
//   - eligibility_unknown (ineligible, failed, deferred): the API, which has to be asked
//     before a text, could not be asked, or not in time
//   - no_profile (ineligible): no profile serves the dialled number
//   - already_asked (ineligible): this call was asked before
//   - breaker_open (ineligible, failed, deferred): the API is known to be down: not
//     offered, or asked for in vain
//   - invalid_call (ineligible, failed): the request would be malformed; the error
//     lists every problem
//   - unauthorized (failed): 401 or 403, or the request got no credentials, such as a
//     token
//   - rate_limited (ineligible, failed, deferred): 429 without a Retry-After that fits the
//     deadline, or more requests at a time than the API takes: not offered, or asked for in vain
//   - rejected (failed): another 4xx, or an answer that says no
//   - redirected (failed): 3xx; redirects are not followed
//   - unreachable (failed, deferred): no byte of the request left this machine, or the
//     server says that it did not process it (HTTP/2)
//   - deadline (failed, deferred): the live deadline, or that of the context of Deflect,
//     passed before a byte left, or left too little time for a request
//   - journal (failed): the journal could not be written in time, and without it
//     nobody would know of the text after a crash
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
	ReasonOffShift          Reason = "off_shift"
	ReasonShiftUnknown      Reason = "shift_unknown"
	ReasonWaitTooShort      Reason = "wait_too_short"
	ReasonNotSampled        Reason = "not_sampled"
	ReasonCooldown          Reason = "cooldown"
	ReasonCooldownUnknown   Reason = "cooldown_unknown"
	ReasonBudget            Reason = "budget"
	ReasonBudgetUnknown     Reason = "budget_unknown"
	ReasonNoProfile         Reason = "no_profile"
	ReasonAlreadyAsked      Reason = "already_asked"

	ReasonNotEligible        Reason = "not_eligible"
	ReasonOpenConversation   Reason = "open_conversation"
	ReasonEligibilityUnknown Reason = "eligibility_unknown"

	ReasonBreakerOpen Reason = "breaker_open"
	ReasonInvalidCall Reason = "invalid_call"

	ReasonUnauthorized Reason = "unauthorized"
	ReasonRateLimited  Reason = "rate_limited"
	ReasonRejected     Reason = "rejected"
	ReasonRedirected   Reason = "redirected"
	ReasonUnreachable  Reason = "unreachable"
	ReasonDeadline     Reason = "deadline"
	ReasonJournal      Reason = "journal"
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

// outcomes is every outcome, in the order of the documentation.
var outcomes = []Outcome{Sent, Declined, NoInput, Ineligible, Failed, Uncertain, Abandoned, Deferred}

// reasonRow is all that is known of a reason.
type reasonRow struct {
	reason   Reason
	outcomes []Outcome // that it occurs with
	class    error     // of errors that have it; nil for how a caller decided
	health   health    // what it tells about the API
	request  bool      // one request can end with it
	ours     bool      // it is a lack of this side, which may pass
	again    again     // whether an attempt that ended with it is repeated
}

// again says whether an attempt that ended with a reason may be repeated while its
// caller waits: only what was certainly not processed is.
type again int

const (
	never     again = iota
	soon            // what failed may work now
	whenAsked       // at the time that the answer names
)

// reasons is every reason, a row each.
var reasons = []reasonRow{
	{reason: ReasonOK, outcomes: []Outcome{Sent}, health: healthy, request: true},

	{reason: ReasonDeclineKey, outcomes: []Outcome{Declined}},
	{reason: ReasonNoKey, outcomes: []Outcome{NoInput}},
	{reason: ReasonNoNumber, outcomes: []Outcome{NoInput}},
	{reason: ReasonHangup, outcomes: []Outcome{Abandoned}},
	{reason: ReasonTransferred, outcomes: []Outcome{Abandoned}},

	{reason: ReasonNoProfile, outcomes: []Outcome{Ineligible}, class: ErrIneligible},
	{reason: ReasonAlreadyAsked, outcomes: []Outcome{Ineligible}, class: ErrIneligible},
	{reason: ReasonNumberHidden, outcomes: []Outcome{Ineligible}, class: ErrInvalidCall},
	{reason: ReasonNumberInvalid, outcomes: []Outcome{Ineligible}, class: ErrInvalidCall},
	{reason: ReasonNumberFixedLine, outcomes: []Outcome{Ineligible}, class: ErrInvalidCall},
	{reason: ReasonNumberNotTextable, outcomes: []Outcome{Ineligible}, class: ErrInvalidCall},
	{reason: ReasonNumberNotMobile, outcomes: []Outcome{Ineligible}, class: ErrIneligible, health: healthy, request: true},
	{reason: ReasonCountry, outcomes: []Outcome{Ineligible}, class: ErrIneligible},
	{reason: ReasonInvalidCall, outcomes: []Outcome{Ineligible, Failed}, class: ErrInvalidCall},
	{reason: ReasonNoConsent, outcomes: []Outcome{Ineligible}, class: ErrIneligible},
	{reason: ReasonOptedOut, outcomes: []Outcome{Ineligible}, class: ErrIneligible, health: healthy, request: true},
	{reason: ReasonOutsideHours, outcomes: []Outcome{Ineligible, Deferred}, class: ErrIneligible},
	{reason: ReasonOffShift, outcomes: []Outcome{Ineligible}, class: ErrIneligible},
	{reason: ReasonShiftUnknown, outcomes: []Outcome{Ineligible}, class: ErrIneligible},
	{reason: ReasonWaitTooShort, outcomes: []Outcome{Ineligible}, class: ErrIneligible},
	{reason: ReasonNotSampled, outcomes: []Outcome{Ineligible}, class: ErrIneligible},
	{reason: ReasonCooldown, outcomes: []Outcome{Ineligible}, class: ErrIneligible},
	{reason: ReasonCooldownUnknown, outcomes: []Outcome{Ineligible, Failed}, class: ErrIneligible, ours: true},
	{reason: ReasonBudget, outcomes: []Outcome{Ineligible}, class: ErrIneligible, ours: true},
	{reason: ReasonBudgetUnknown, outcomes: []Outcome{Ineligible, Failed}, class: ErrIneligible, ours: true},
	{reason: ReasonNotEligible, outcomes: []Outcome{Ineligible}, class: ErrIneligible, health: healthy, request: true},
	{reason: ReasonOpenConversation, outcomes: []Outcome{Ineligible}, class: ErrIneligible, health: healthy, request: true},
	{reason: ReasonEligibilityUnknown, outcomes: []Outcome{Ineligible, Failed, Deferred}, class: ErrUnavailable},
	{reason: ReasonBreakerOpen, outcomes: []Outcome{Ineligible, Failed, Deferred}, class: ErrBreakerOpen},

	{reason: ReasonUnauthorized, outcomes: []Outcome{Failed}, class: ErrUnauthorized, health: sick, request: true, ours: true},
	{reason: ReasonRateLimited, outcomes: []Outcome{Ineligible, Failed, Deferred}, class: ErrRateLimited, health: sick, request: true, again: whenAsked},
	{reason: ReasonRejected, outcomes: []Outcome{Failed}, class: ErrRejected, health: healthy, request: true},
	{reason: ReasonRedirected, outcomes: []Outcome{Failed}, class: ErrRejected, health: sick, request: true},
	{reason: ReasonUnreachable, outcomes: []Outcome{Failed, Deferred}, class: ErrUnavailable, health: sick, request: true, again: soon},
	{reason: ReasonDeadline, outcomes: []Outcome{Failed, Deferred}, class: ErrUnavailable, health: sick, request: true},
	{reason: ReasonJournal, outcomes: []Outcome{Failed}, class: ErrJournal, ours: true},

	{reason: ReasonServerError, outcomes: []Outcome{Uncertain}, class: ErrUnavailable, health: sick, request: true},
	{reason: ReasonTimeout, outcomes: []Outcome{Uncertain}, class: ErrUnavailable, health: sick, request: true},
	{reason: ReasonConnectionLost, outcomes: []Outcome{Uncertain}, class: ErrUnavailable, health: sick, request: true},
	{reason: ReasonInvalidNonce, outcomes: []Outcome{Uncertain}, class: ErrUnauthorized, health: sick, request: true},
	{reason: ReasonBadResponse, outcomes: []Outcome{Uncertain}, class: ErrBadResponse, health: sick, request: true},

	{reason: ReasonCanceled, outcomes: []Outcome{Failed, Uncertain}, class: ErrCanceled, request: true, ours: true},
	{reason: ReasonPrompt, outcomes: []Outcome{Failed}, class: ErrSwitch},
	{reason: ReasonSwitch, outcomes: []Outcome{Failed}, class: ErrSwitch},
	{reason: ReasonShutdown, outcomes: []Outcome{Failed}, class: ErrClosed},
	{reason: ReasonInternal, outcomes: []Outcome{Failed, Uncertain}, class: ErrInternal, request: true, ours: true, again: soon},
}

var rowByReason = func() map[Reason]*reasonRow {
	byReason := map[Reason]*reasonRow{}
	for i := range reasons {
		byReason[reasons[i].reason] = &reasons[i]
	}
	return byReason
}()

// row is the one of a reason. One that is not on the list has an empty row.
func (r Reason) row() reasonRow {
	if row := rowByReason[r]; row != nil {
		return *row
	}
	return reasonRow{}
}

// Class returns the class of errors that have the reason, such as [ErrUnavailable]; nil
// for how a caller decided.
func (r Reason) Class() error { return r.row().class }

// Outcomes returns every outcome, in the order of the documentation.
func Outcomes() []Outcome { return slices.Clone(outcomes) }

// Reasons returns the reasons that an outcome can have, nil for an outcome that
// is not on the list.
func Reasons(o Outcome) (list []Reason) {
	for _, row := range reasons {
		if slices.Contains(row.outcomes, o) {
			list = append(list, row.reason)
		}
	}
	return list
}
