package freeswitch_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// A session needs nothing of a phone system but the words and events of a line: another
// kind of line gets the same conversation, with one write for what is said at once.
func TestAnotherKindOfLine(t *testing.T) {
	const offer, sent, uncertain = "play offer.wav", "play sent.wav", "play uncertain.wav"
	tests := []struct {
		name  string
		line  freeswitch.PaperLine
		hangs bool // the API
		texts int
		told  []string
	}{
		{name: "accepts", line: freeswitch.PaperLine{Press: "1"}, texts: 1, told: []string{
			"open", "answer, listen, " + offer, "stop, set deflect_outcome=uncertain deflect_reason=internal",
			"set deflect_outcome=sent deflect_reason=ok, " + sent, "give back deflect_outcome=sent deflect_reason=ok"}},
		{name: "declines", line: freeswitch.PaperLine{Press: "2"}, told: []string{
			"open", "answer, listen, " + offer, "stop", "give back deflect_outcome=declined deflect_reason=decline_key"}},
		{name: "hangs up", line: freeswitch.PaperLine{HangsUp: true}, told: []string{
			"open", "answer, listen, " + offer, "give back deflect_outcome=abandoned deflect_reason=hangup"}},
		{name: "the API hangs", line: freeswitch.PaperLine{Press: "1"}, hangs: true, told: []string{
			"open", "answer, listen, " + offer, "stop, set deflect_outcome=uncertain deflect_reason=internal",
			"set deflect_outcome=uncertain deflect_reason=timeout, " + uncertain, "give back deflect_outcome=uncertain deflect_reason=timeout"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				answers := 100 * time.Millisecond
				if tt.hangs {
					answers = time.Hour
				}
				r.api.SetFault(&livedeflecttest.Fault{Delay: answers})
				l := tt.line
				l.Caller, l.Dialed = "+14043438646", "+18005550100"
				start := time.Now()
				r.srv.Talk(&l)
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("the caller waited for %s", took)
				}
				if d := cmp.Diff(tt.told, l.Told); d != "" {
					t.Errorf("what was told:\n%s", d)
				}
				if !l.Ended {
					t.Error("the line was not let go")
				}
				if !tt.hangs {
					r.wantTexts(tt.texts)
				}
				r.wantSum(1)
			})
		})
	}
}
