package daemon

import "github.com/ivrdeflect/ivrdeflect/deflect"

// outcomeWords say what an outcome is, in the order in which the page shows them.
var outcomeWords = []struct {
	outcome deflect.Outcome
	kind    string // of its bars: text, trouble or other
	words   string
}{
	{deflect.Sent, "text", "a text is on its way"},
	{deflect.Deferred, "text", "promised, and waits to be sent"},
	{deflect.Failed, "trouble", "certainly no text"},
	{deflect.Uncertain, "trouble", "nothing tells if there was a text"},
	{deflect.Declined, "other", "the caller said no"},
	{deflect.NoInput, "other", "the caller pressed nothing"},
	{deflect.Abandoned, "other", "the caller left before asking"},
	{deflect.Ineligible, "other", "not offered a text"},
}

// reasonWords say what a reason means for who looks into it, and what to do where there is
// something.
var reasonWords = map[deflect.Reason]string{
	deflect.ReasonOK: "LivePerson took the request",

	deflect.ReasonDeclineKey: "the caller pressed the decline digit",
	deflect.ReasonNoKey:      "no key was pressed in time, or an agent came first",
	deflect.ReasonNoNumber:   "the caller was asked for a number and gave none",

	deflect.ReasonHangup:      "the caller hung up",
	deflect.ReasonTransferred: "somebody else moved the call away",

	deflect.ReasonNumberHidden:      "the caller withheld the number",
	deflect.ReasonNumberInvalid:     "no number that somebody can have, or one that can be read as two (number_check, default_region)",
	deflect.ReasonNumberFixedLine:   "a landline cannot get a text",
	deflect.ReasonNumberNotTextable: "a premium-rate, toll-free, pager or similar number",
	deflect.ReasonNumberNotMobile:   "not known to be a mobile (line_types: strict), or LivePerson says that it is none",
	deflect.ReasonCountry:           "a number of a country that is not texted (countries)",
	deflect.ReasonNoConsent:         "consent is required, and the dialplan did not say that it was given",
	deflect.ReasonOptedOut:          "on the do-not-text list, or the list did not answer, or LivePerson knows that the caller wants no texts",
	deflect.ReasonOutsideHours:      "the messaging team is not there (hours)",
	deflect.ReasonOffShift:          "no agent is on shift (agents)",
	deflect.ReasonShiftUnknown:      "nobody knows whether an agent is on shift (agents_unknown)",
	deflect.ReasonWaitTooShort:      "the expected wait is not worth an offer (min_wait)",
	deflect.ReasonNotSampled:        "only some of 100 calls are offered a text (percent)",
	deflect.ReasonCooldown:          "the caller was texted a short while ago (cooldown)",
	deflect.ReasonCooldownUnknown:   "the store of cooldowns did not answer: see Redis below",
	deflect.ReasonBudget:            "the agents have as many texts as they can take (budget)",
	deflect.ReasonBudgetUnknown:     "the store of budgets did not answer: see Redis below",
	deflect.ReasonNoProfile:         "no profile serves the number that was dialled",
	deflect.ReasonAlreadyAsked:      "this call was asked before",

	deflect.ReasonNotEligible:        "LivePerson says that this caller can get no text",
	deflect.ReasonOpenConversation:   "the caller has a conversation with the agents already, so that no text would arrive",
	deflect.ReasonEligibilityUnknown: "LivePerson has to be asked before a text, and did not answer in time: see the requests below",

	deflect.ReasonBreakerOpen: "the API fails, so nobody is offered a text for a while: see the API below",
	deflect.ReasonInvalidCall: "the request would be malformed: the log line of the call says what is wrong",

	deflect.ReasonUnauthorized: "LivePerson refuses the credentials: check consumer key, token, their secrets and the clock",
	deflect.ReasonRateLimited:  "more requests at a time than LivePerson takes (429, or our own rate)",
	deflect.ReasonRejected:     "LivePerson refuses the request: the log line of the call has its words",
	deflect.ReasonRedirected:   "the API answers with a redirect, which is not followed: check domain and base_url",
	deflect.ReasonUnreachable:  "the API cannot be reached: check name resolution, network and proxy",
	deflect.ReasonDeadline:     "the time ran out before a request could leave (live_deadline)",
	deflect.ReasonJournal:      "the text could not be written down before, so it was not sent: see the journal below",
	deflect.ReasonPrompt:       "the switch could not play the offer: check the prompts on its machine",
	deflect.ReasonSwitch:       "the switch refused a command or broke the protocol: the log line of the call says which",

	deflect.ReasonServerError:    "the API answered with an error of its own (5xx)",
	deflect.ReasonTimeout:        "the API did not answer in time (live_deadline)",
	deflect.ReasonConnectionLost: "the connection broke before the API answered",
	deflect.ReasonInvalidNonce:   "the API had seen this request before: something on the way delivers requests twice",
	deflect.ReasonBadResponse:    "the answer of the API could not be read",

	deflect.ReasonCanceled: "the request was broken off from this side",
	deflect.ReasonShutdown: "this deflectd was stopped before the caller had decided",
	deflect.ReasonInternal: "a defect of deflectd, or a limit of this machine such as its open files: the log says which",
}
