package funnel

import (
	"iter"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
)

// CollectC2M is [Collect] of the report of Connect to Messaging. A transaction that comes
// again has reached what any of its appearances tells.
func CollectC2M(report iter.Seq2[c2m.Transaction, error], failed func(error)) []Journey {
	var f folding
	for t, err := range report {
		if err != nil {
			failed(err)
			continue
		}
		// Systems change the letters of such ids.
		f.of(strings.ToLower(t.CallID), t.CallID).addTransaction(&t, f.share)
	}
	return f.journeys
}

// OfC2M is [Of] for calls of Connect to Messaging: it has their stages also without calls.
func OfC2M(calls []Journey) Funnel { return count(&ofC2M, calls) }

func (j *Journey) addTransaction(t *c2m.Transaction, share func(string) string) {
	j.scale = &ofC2M
	if j.ConversationID == "" && clean.IsUUID(t.ConversationID) {
		j.ConversationID = t.ConversationID
	}
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&j.Skill, t.Skill}, {&j.Skill, t.InitialSkill}, {&j.Channel, string(t.Channel)}, {&j.Channel, string(t.InitialChannel)},
		{&j.HandoffID, t.HandoffID}, {&j.Error, t.Code()},
	} {
		if *f.to == "" {
			*f.to = share(f.from)
		}
	}
	j.Skipped = j.Skipped || t.WasSkipped()
	j.Failed = j.Failed || t.HasFailed()
	j.OptedOut = j.OptedOut || !t.OptedOut.IsZero()
	j.Begin = period.Earlier(j.Begin, t.Attempted)
	invited := !t.Invited.IsZero() || t.WasSent()
	for i, s := range [...]struct {
		yes bool
		at  time.Time
	}{
		{true, t.Attempted}, {invited || !t.Eligible.IsZero(), t.Eligible}, {invited, t.Invited}, {t.WasSent(), t.Sent},
		{t.WasDelivered(), t.Delivered}, {t.WasRead(), t.Read}, {t.WasAnswered(), t.Opened},
	} {
		j.reached[i] = j.reached[i] || s.yes
		j.at[i] = period.Earlier(j.at[i], s.at)
	}
}

// tellsRead reports whether what carries the call's text tells that it was read.
func (j *Journey) tellsRead() bool { return j.Channel != string(c2m.SMS) }
