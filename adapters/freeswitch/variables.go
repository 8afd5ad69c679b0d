package freeswitch

import (
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// variable is one channel variable. What it means is in the words of the tables in
// dialplan/README.md, which a test compares with these rows.
type variable struct {
	name string
	said string // what the dialplan says with it, before it hands the call over or announces it
	told string // what we tell the dialplan with it
	note string // what it is to us, of one that is in neither table
}

// variables are all channel variables that we read or set: nothing else in this package
// spells one out.
var variables []variable

// declare adds a row, and returns the variable's name.
func declare(v variable) string {
	variables = append(variables, v)
	return v.name
}

// What the dialplan says and is told. A browser (mod_verto) can say it too: see guarded.
var (
	modeVariable       = declare(variable{name: "deflect_mode", said: "`offer` (default) or `accepted`"})
	profileVariable    = declare(variable{name: "deflect_profile", said: "use this profile, whatever was dialled"})
	skillVariable      = declare(variable{name: "deflect_skill", said: "the skill that the conversation goes to, instead of the profile's"})
	textVariable       = declare(variable{name: "deflect_text", said: "the text, sent as it is, instead of the profile's"})
	textTagVariable    = declare(variable{name: "deflect_text_tag", said: "the text's tag, instead of the profile's"})
	firstNameVariable  = declare(variable{name: "deflect_first_name", said: "shown to the agent"})
	lastNameVariable   = declare(variable{name: "deflect_last_name", said: "shown to the agent"})
	customerIDVariable = declare(variable{name: "deflect_customer_id", said: "your id of the customer; only with its descriptor"})
	descriptorVariable = declare(variable{name: "deflect_customer_id_descriptor", said: "what kind of id that is; only with the id"})
	infoPrefix         = declare(variable{name: "deflect_info_", said: "each becomes an entry of the caller info, such as `deflect_info_plan=Gold`"})
	templatePrefix     = declare(variable{name: "deflect_template_", said: "a template variable of Connect to Messaging, by its number: `deflect_template_1=Ann`, instead of the profile's"})
	consumerVariable   = declare(variable{name: "deflect_consumer_id", said: "the caller's name as a user of the brand's app, for the channel `inapp` of Connect to Messaging"})
	numberVariable     = declare(variable{name: "deflect_number", said: "text this number, not the caller id"})
	externalIDVariable = declare(variable{name: "deflect_external_id", said: "your id of the call, `call_id` in the log; default: the channel's UUID. One per call: a second call with it gets no text for `state.remember` (24 h). It must not come from the caller, as a SIP header does"})
	languageVariable   = declare(variable{name: "deflect_language", said: "language of prompts and text, such as `es-MX`"})
	waitVariable       = declare(variable{name: "deflect_wait_seconds", said: "how long the caller is expected to wait, for `min_wait`"})
	consentVariable    = declare(variable{name: "deflect_consent", said: "`true`: the caller agreed to be texted, for `consent: variable`"})

	outcomeVariable   = declare(variable{name: "deflect_outcome", told: "`sent` `declined` `no_input` `ineligible` `failed` `uncertain` `abandoned` `deferred`"})
	reasonVariable    = declare(variable{name: "deflect_reason", told: "one word of [a closed list](../cmd/deflectd/README.md#what-a-call-can-come-to)"})
	callIDVariable    = declare(variable{name: "deflect_call_id", told: "the API's id of the call, when a text was sent"})
	digitsVariable    = declare(variable{name: "deflect_digits", said: "keys that the caller pressed before", told: "keys pressed that were neither accept nor decline, after those it held before"})
	heardVariable     = declare(variable{name: "deflect_heard", told: "whether the prompt that says what came of it was played to its end: `true` or `false`; unset where the profile has none to play"})
	confirmedVariable = declare(variable{name: "deflect_confirmed", told: "whether the text arrived, if the caller was asked (`confirm: ask`): `true` or `false`"})
	askedVariable     = declare(variable{name: "deflect_asked", told: "the caller's answer, kept over further passes: `sent` `uncertain` `deferred` `declined` `no_input`"})
)

// What the files in dialplan/ and we leave on a channel for each other.
var (
	watchdogVariable = declare(variable{name: "deflect_watchdog", note: "the task that takes a call from a deflectd that hangs"})
	offerVariable    = declare(variable{name: "deflect_offer", note: "true while a call that waits is on offer, false when its queue has let it go"})
	placeVariable    = declare(variable{name: "deflect_offer_at", note: "where in the dialplan it was announced; else what became of that"})
	answeredVariable = declare(variable{name: "deflect_offer_key", note: "the number of the key press that was answered last, where several deflectd watch"})
)

// Of the switch and its modules.
var (
	resumeVariable          = declare(variable{name: "socket_resume", note: "true: the end of the socket cuts what plays, and more (see socketLine.moved)"})
	secretVariable          = declare(variable{name: "sensitive_dtmf", note: "true: keys are not reported"})
	applicationVariable     = declare(variable{name: "current_application", note: "what the call is in"})
	applicationDataVariable = declare(variable{name: "current_application_data", note: "the argument of that"})
	directionVariable       = declare(variable{name: "direction", note: "outbound: the switch has dialled this leg"})
	shownNumberVariable     = declare(variable{name: "origination_caller_id_number", note: "the number that was shown to whoever the switch dialled"})
	bridgedVariable         = declare(variable{name: "bridge_uuid", note: "whom the call is, or was, connected with"})
	bridgedBeforeVariable   = declare(variable{name: "last_bridge_to", note: "whom the call was connected with"})
	fifoAgentVariable       = declare(variable{name: "fifo_serviced_uuid", note: "the agent of mod_fifo who has answered"})
	centerAgentVariable     = declare(variable{name: "cc_agent_found", note: "true: mod_callcenter has an agent for the call"})
	sipFromUserVariable     = declare(variable{name: "sip_from_user", note: "of the From, which can be anonymous"})
	sipFromHostVariable     = declare(variable{name: "sip_from_host", note: "of the From, which can be anonymous.invalid"})
	sipPrivacyVariable      = declare(variable{name: "sip_Privacy", note: "the Privacy header"})
	sipOtherPrivacyVariable = declare(variable{name: "sip_i_privacy", note: "the same, as it may also be called"})
	sipPartyVariable        = declare(variable{name: "sip_Remote-Party-ID", note: "the header, with its privacy"})
	sipToUserVariable       = declare(variable{name: "sip_to_user", note: "who was dialled, by the To"})
	sipRequestVariable      = declare(variable{name: "sip_req_user", note: "who was dialled, by the request"})
	vertoPrefix             = declare(variable{name: "verto_", note: "of calls from a browser"})
	vertoSocketVariable     = declare(variable{name: "jsock_uuid_str", note: "of calls from a browser"})
)

// variablePrefix is what the names of headers begin with that hold variables.
const variablePrefix = "variable_"

// variableOf returns a variable of channel data, "" without.
func variableOf(h headers, name string) string { return h.Get(variablePrefix + name) }

// sayable reports whether a name is of a variable with which the dialplan can say
// something to us.
func sayable(name string) bool {
	for _, v := range variables {
		if v.said != "" && v.name == name && name != infoPrefix && name != templatePrefix {
			return true
		}
	}
	return infoForm.MatchString(name) || templateForm.MatchString(name)
}

// outVariables are what the dialplan is told. The values are of closed lists or
// match a strict form; what does not is left empty, and so is what an earlier
// pass of the call may have set. deflect_asked keeps the answer of the caller
// over further passes; known says that such a pass has set what is known of a text.
func outVariables(e ending, digits string, known bool) []assignment {
	callID, confirmed := e.CallID, e.confirmed
	if !callIDForm.MatchString(callID) {
		callID = ""
	}
	if !digitsForm.MatchString(digits) {
		digits = ""
	}
	set := make([]assignment, 0, 8)
	set = append(set, assignment{outcomeVariable, string(e.Outcome)}, assignment{reasonVariable, string(e.Reason)},
		assignment{digitsVariable, digits}, assignment{heardVariable, e.heard})
	if !known || callID != "" {
		set = append(set, assignment{callIDVariable, callID}, assignment{confirmedVariable, confirmed})
	}
	if asked := askedOf(e.Outcome); asked != "" {
		set = append(set, assignment{askedVariable, asked})
	}
	return set
}

// assignment sets a variable of the dialplan. The value has a strict form, or is empty.
type assignment struct{ name, value string }

// joined is how the switch wants several of them in one argument.
func joined(set []assignment, separator byte) string {
	var b strings.Builder
	b.Grow(256)
	for i, a := range set {
		if i > 0 {
			b.WriteByte(separator)
		}
		b.WriteString(a.name)
		b.WriteByte('=')
		b.WriteString(a.value)
	}
	return b.String()
}

// askedOf is what deflect_asked keeps of an outcome, "" for nothing.
func askedOf(o deflect.Outcome) string {
	switch o {
	case deflect.Sent, deflect.Uncertain, deflect.Deferred, deflect.Declined, deflect.NoInput:
		return string(o)
	}
	return ""
}
