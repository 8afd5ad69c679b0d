package freeswitchtest

import (
	"testing"
)

func TestSwitchSubscriptions(t *testing.T) {
	const offer, key, hangup = "CUSTOM", "DTMF 1", "CHANNEL_HANGUP"
	tests := []struct {
		name     string
		commands []string
		want     []string
	}{
		{"nothing", nil, nil},
		{"names", []string{"event plain DTMF CHANNEL_HANGUP"}, []string{key, hangup}},
		{"lower case", []string{"event plain dtmf"}, []string{key}},
		{"a subclass", []string{"event plain CUSTOM deflect::offer"}, []string{offer}},
		{"another subclass", []string{"event plain CUSTOM other"}, nil},
		{"no subclass", []string{"event plain CUSTOM"}, nil},
		{"a name after CUSTOM", []string{"event plain CUSTOM deflect::offer DTMF"}, []string{offer}},
		{"two commands", []string{"event plain DTMF", "event plain CUSTOM deflect::offer"}, []string{offer, key}},
		{"nixed", []string{keysAndOffers, "nixevent DTMF"}, []string{offer, hangup}},
		{"nixed subclass", []string{keysAndOffers, "nixevent CUSTOM deflect::offer"}, []string{key, hangup}},
		{"all but one", []string{"event plain ALL", "nixevent CHANNEL_STATE CHANNEL_EXECUTE_COMPLETE CHANNEL_UNPARK " +
			"CHANNEL_HANGUP_COMPLETE DTMF"}, []string{offer, hangup}},
		{"none", []string{keysAndOffers, "noevents"}, nil},
		{"filter", []string{keysAndOffers, "filter Event-Name DTMF"}, []string{key}},
		{"filters add up", []string{keysAndOffers, "filter Event-Name DTMF", "filter Event-Name CHANNEL_HANGUP"}, []string{key, hangup}},
		{"filter by a variable", []string{keysAndOffers, "filter variable_deflect_offer TRUE"}, []string{offer, hangup}},
		{"filter by a number", []string{keysAndOffers, "filter Caller-ANI 14045550123"}, nil},
		{"filter by a name", []string{keysAndOffers, "filter caller-caller-id-name jane doe"}, []string{offer, key, hangup}},
		{"filter out", []string{keysAndOffers, "filter Unique-ID c-1", "filter Event-Name -DTMF"}, []string{offer, hangup}},
		{"filter deleted", []string{keysAndOffers, "filter Event-Name X", "filter add Event-Name Y", "filter delete Event-Name"},
			[]string{offer, key, hangup}},
		{"one of two deleted", []string{keysAndOffers, "filter Event-Name DTMF", "filter Event-Name CUSTOM",
			"filter delete Event-Name CUSTOM"}, []string{key}},
		{"filters outlive events", []string{keysAndOffers, "filter Event-Name DTMF", "noevents", keysAndOffers}, []string{key}},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			s := &Switch{}
			p := login(t, s, tt.commands...)
			c := caller()
			c.Vars = map[string]string{"deflect_offer": "true"}
			w := s.Park(c)
			w.Announce()
			w.Press("1")
			w.HangUp()
			equal(t, "events", p.heard(), tt.want)
		})
	}
}
