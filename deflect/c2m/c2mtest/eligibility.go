package c2mtest

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// The documented lengths, in characters.
const (
	maxNumber    = 15
	maxSkill     = 255
	maxHandoffID = 16
	maxMessage   = 1600
)

var eligibilityFields = []double.Field[Eligibility]{
	double.Required("skill", func(e *Eligibility) *string { return &e.Skill }),
	double.Required("consumerPhoneNumber", func(e *Eligibility) *string { return &e.Number }),
	double.Required("handoffId", func(e *Eligibility) *string { return &e.HandoffID }),
	double.Optional("ivrNumber", func(e *Eligibility) *string { return &e.IVRNumber }),
	double.Optional("consumerId", func(e *Eligibility) *string { return &e.ConsumerID }),
}

// checkBody holds what both calls ask of a request, and reads its fields. No field may be
// empty: one that says nothing is left out.
func checkBody[T any](a *double.Arrival, fields []double.Field[T], to *T) (rest map[string]json.RawMessage, refusal *refusal) {
	kind, attributes, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	charset, other := attributes["charset"]
	if err != nil || kind != double.JSONType || other && !strings.EqualFold(charset, "utf-8") {
		return nil, refused(wrongMediaType, "Content-Type must be application/json")
	}
	if a.RawQuery != "v=2.0" {
		return nil, refused(invalidVersion, "the query must be v=2.0")
	}
	rest, problems := double.Object(a)
	for _, f := range fields {
		if raw, there := rest[f.Name]; there && !f.Required && string(raw) == `""` {
			problems = append(problems, f.Name+" must not be empty")
		}
	}
	if problems = append(problems, double.TakeStrings(rest, fields, to)...); len(problems) == 0 {
		problems = double.Missing(fields, to)
	}
	if len(problems) > 0 {
		return nil, refused(invalidRequest, strings.Join(problems, "; "))
	}
	return rest, nil
}

func (s *Server) examineEligibility(a *double.Arrival, r route) verdict {
	e := Eligibility{Account: r.account}
	rest, no := checkBody(a, eligibilityFields, &e)
	if no == nil {
		no = s.checkEligibility(&e, rest)
	}
	if no != nil {
		return verdict{refusal: no}
	}
	return verdict{
		process: func(rec *Received, _ Fault) (double.Answer, *message) { return s.ask(e, rec, true), nil },
		no:      func(rec *Received) double.Answer { return s.ask(e, rec, false) },
	}
}

// checkEligibility looks at what the fields say.
func (s *Server) checkEligibility(e *Eligibility, rest map[string]json.RawMessage) *refusal {
	var problems []string
	bad := func(is bool, text string) {
		if is {
			problems = append(problems, text)
		}
	}
	inApp := slices.Contains(s.cfg.Channels, InApp)
	if raw, there := rest["sdes"]; there {
		e.SDEs = raw
		problems = append(problems, checkSDEs(raw)...)
		bad(inApp, "sdes is not for inapp")
		delete(rest, "sdes")
	}
	if raw, there := rest["templateVariables"]; there {
		var more []string
		e.TemplateVariables, more = checkVariables(raw)
		problems = append(problems, more...)
		bad(inApp, "templateVariables is not for inapp")
		delete(rest, "templateVariables")
	}
	problems = append(problems, double.Unknown(rest)...)
	bad(utf8.RuneCountInString(e.Skill) > maxSkill, "skill is longer than 255 characters")
	bad(utf8.RuneCountInString(e.HandoffID) > maxHandoffID, "handoffId is longer than 16 characters")
	ivr := strings.TrimPrefix(e.IVRNumber, "+")
	bad(e.IVRNumber != "" && (!double.DigitsOnly(ivr) || len(ivr) > maxNumber), "ivrNumber must be up to 15 digits")
	bad(inApp && e.ConsumerID == "", "consumerId is required for inapp")
	bad(!inApp && e.ConsumerID != "", "consumerId is for inapp only")
	switch {
	case len(problems) > 0:
		return refused(invalidRequest, strings.Join(problems, "; "))
	case !e164(e.Number):
		return refused(invalidNumber, "it must be E.164 with a plus, 15 characters at most")
	case len(s.cfg.HandoffIDs) > 0 && !slices.Contains(s.cfg.HandoffIDs, e.HandoffID):
		return refused(noHandoff, "")
	case len(s.cfg.Skills) > 0 && !slices.Contains(s.cfg.Skills, e.Skill):
		return refused(noEngagement, "")
	}
	return nil
}

// e164 takes a number with its plus. The vendor's limit is on characters.
func e164(number string) bool {
	digits, plus := strings.CutPrefix(number, "+")
	return plus && double.DigitsOnly(digits) && digits[0] != '0' && len(digits) >= 7 && len(number) <= maxNumber
}

// ask makes a callId and says who can be texted. The lock is held.
func (s *Server) ask(e Eligibility, rec *Received, willing bool) double.Answer {
	e.Time = rec.Time
	who := s.known(e.Number)
	converses := who.converses(e.Time)
	t := &ticket{ahead: s.ahead, channel: s.cfg.Channels[0]}
	switch {
	case s.cfg.DeviceCheck && who.landline:
		t.refused = invalidNumber
	case s.cfg.Open != OpenUnseen && converses:
		t.refused = cannotBeSent
	case s.cfg.OptOutsKnown && who.optedOut:
		t.skipped = true
	}
	e.Channels = []string{}
	for _, ch := range s.cfg.Channels {
		// WhatsApp is always eligible: Meta lets nobody look.
		if willing && (ch == WhatsApp || t.refused == 0 && !t.skipped) {
			e.Channels = append(e.Channels, ch)
		}
	}
	if e.Eligible = len(e.Channels) > 0; e.Eligible {
		e.Recommended, t.channel = e.Channels[0], e.Channels[0]
	}
	t.Eligibility = e
	s.tickets.add(t)
	if !e.Eligible && willing && (t.refused == invalidNumber || t.refused == cannotBeSent && s.cfg.Open == OpenRefused) {
		return refused(t.refused, "").answer(CallEligibility)
	}
	t.answered = true
	s.eligibilities.Add(t.Eligibility.clone())
	rec.CallID, rec.Processed = t.CallID, true
	body, _ := json.Marshal(struct { // of strings
		Channels    []string `json:"availableChannels"`
		Recommended string   `json:"recommendedChannelName"`
		Eligible    bool     `json:"eligible"`
		CallID      string   `json:"callId"`
	}{t.Channels, t.Recommended, t.Eligible, t.CallID})
	return double.JSONAnswer(http.StatusOK, string(body))
}
