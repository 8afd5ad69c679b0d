package c2mtest

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

var inviteFields = []double.Field[Invite]{
	double.Required("callId", func(i *Invite) *string { return &i.CallID }),
	double.Optional("overrideChannel", func(i *Invite) *string { return &i.OverrideChannel }),
	double.Optional("overrideMessage", func(i *Invite) *string { return &i.OverrideMessage }),
	double.Optional("overrideSkill", func(i *Invite) *string { return &i.OverrideSkill }),
}

func (s *Server) examineInvite(a *double.Arrival, r route) verdict {
	in := Invite{Account: r.account}
	rest, no := checkBody(a, inviteFields, &in)
	if no == nil {
		no = s.checkInvite(in, double.Unknown(rest))
	}
	if no != nil {
		return verdict{refusal: no}
	}
	return verdict{
		process: func(rec *Received, f Fault) (double.Answer, *message) { return s.invite(in, rec, f) },
		no:      func(*Received) double.Answer { return refused(cannotBeSent, "").answer(CallInvite) },
	}
}

func (s *Server) checkInvite(in Invite, problems []string) *refusal {
	if !uuid(in.CallID) {
		problems = append(problems, "callId must be a UUID")
	}
	if utf8.RuneCountInString(in.OverrideMessage) > maxMessage {
		problems = append(problems, "overrideMessage is longer than 1600 characters")
	}
	if utf8.RuneCountInString(in.OverrideSkill) > maxSkill {
		problems = append(problems, "overrideSkill is longer than 255 characters")
	}
	switch {
	case len(problems) > 0:
		return refused(invalidRequest, strings.Join(problems, "; "))
	case in.OverrideSkill != "" && len(s.cfg.Skills) > 0 && !slices.Contains(s.cfg.Skills, in.OverrideSkill):
		return refused(otherSkill, "")
	}
	return nil
}

// uuid takes a UUID of version 4 as eligibility gives it.
func uuid(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f':
		default:
			return false
		}
	}
	return id[14] == '4'
}

// invite sends a message, unless something speaks against it. The lock is held.
func (s *Server) invite(in Invite, rec *Received, f Fault) (double.Answer, *message) {
	t := s.tickets.byID[in.CallID]
	if t == nil || t.Account != in.Account || rec.Time.Sub(t.Time) > s.cfg.TicketLife {
		return refused(notFound, "there is no such callId (any more)").answer(CallInvite), nil
	}
	in.Time, in.Asked = rec.Time, t.Eligibility.clone()
	no := s.fill(&in, t)
	if no != nil {
		t.failed, t.failure = rec.Time, no.code
		return no.answer(CallInvite), nil
	}
	// There is no capture of opt-outs for WhatsApp.
	skipped := in.Channel == SMS && s.known(t.Number).optedOut
	in.Sent = !skipped && !f.SendsNothing()
	m := &message{Invite: in, ahead: s.ahead, skipped: skipped}
	t.messages = append(t.messages, m)
	s.invites.Add(in.clone())
	rec.Processed = in.Sent
	id := in.CallID
	if s.cfg.OtherCallID {
		id = double.UUIDOf("answer to " + id)
	}
	return double.JSONAnswer(http.StatusOK, `{"callId":"`+id+`"}`), m
}

// fill says what an invite sends, or why it does not. The lock is held.
func (s *Server) fill(in *Invite, t *ticket) *refusal {
	if len(t.messages) > 0 && s.cfg.SecondInvite == SecondRefused {
		return refused(cannotBeSent, "")
	}
	if !t.Eligible {
		s.violate(in.CallID, "an invite for who was not eligible")
		return refused(cannotBeSent, "")
	}
	in.Number, in.HandoffID, in.Skill, in.Channel = t.Number, t.HandoffID, t.Skill, t.Recommended
	if in.OverrideSkill != "" {
		in.Skill = in.OverrideSkill
	}
	if in.OverrideChannel != "" {
		in.Channel = in.OverrideChannel
		if in.Channel == "twilio" {
			in.Channel = SMS
		}
	}
	switch {
	case !slices.Contains(t.Channels, in.Channel):
		return refused(channelMissing, "")
	case in.OverrideMessage != "" && in.Channel != SMS:
		return refused(invalidRequest, "overrideMessage is for sms only")
	case s.known(t.Number).converses(in.Time):
		return refused(cannotBeSent, "")
	}
	in.Message = in.OverrideMessage
	return nil
}

func (s *Server) violate(callID, what string) {
	s.violations.Add(Violation{Time: time.Now(), CallID: callID, What: what})
}
