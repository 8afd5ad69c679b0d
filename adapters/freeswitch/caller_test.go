package freeswitch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// Numbers of the legs, as FreeSWITCH 1.10.12 has them.
const (
	ofCaller = "%2B14043438646"
	ofCallee = "%2B12025550123"
	ofOurs   = "%2B18005550100"
)

// lines makes a header block.
func lines(s ...string) string { return strings.Join(s, "\n") + "\n" }

// The channel data of calls from outside whose caller hides the number, which the
// network tells all the same.
func TestWithheldNumberIsNobodys(t *testing.T) {
	shown := "Call-Direction: inbound\nCaller-Caller-ID-Number: " + ofCaller + "\nCaller-ANI: " + ofCaller + "\nvariable_sip_P-Asserted-Identity: " + ofCaller
	tests := []struct {
		name    string
		headers []string
		hidden  bool
	}{
		{"shown", []string{"variable_sip_from_user: " + ofCaller, "variable_sip_from_host: 192.0.2.1"}, false},
		{"shown by another From", []string{"variable_sip_from_user: 14045550199", "variable_sip_from_host: example.net"}, false},
		{"From a trunk", []string{"variable_sip_from_user: asterisk", "variable_sip_from_host: 192.0.2.1"}, false},
		{"From anonymous", []string{"variable_sip_from_user: anonymous", "variable_sip_from_host: 192.0.2.1"}, true},
		{"From Anonymous with parameters", []string{"variable_sip_from_user: Anonymous;phone-context=x", "variable_sip_from_host: 192.0.2.1"}, true},
		{"From restricted", []string{"variable_sip_from_user: restricted"}, true},
		{"From anonymous.invalid without a user", []string{"variable_sip_from_host: anonymous.invalid"}, true},
		{"From a number at Anonymous.Invalid", []string{"variable_sip_from_user: " + ofCaller, "variable_sip_from_host: Anonymous.Invalid"}, true},
		{"Privacy: user", []string{"variable_sip_Privacy: user"}, true},
		{"Privacy: header, critical", []string{"variable_sip_Privacy: header;critical"}, true},
		{"Privacy: None, ID", []string{"variable_sip_Privacy: None,%20ID"}, true},
		{"Privacy of a kind to come", []string{"variable_sip_Privacy: whole"}, true},
		{"Privacy among all headers of the INVITE", []string{"variable_sip_i_privacy: user"}, true},
		{"Privacy: none", []string{"variable_sip_Privacy: none"}, false},
		{"Privacy: session;critical", []string{"variable_sip_Privacy: session;critical"}, false},
		{"RPID off", []string{"variable_sip_Remote-Party-ID: %3Csip%3A1%40x%3E%3Bscreen%3Dyes%3Bprivacy%3Doff"}, false},
		{"RPID uri, which the switch takes for off", []string{"variable_sip_Remote-Party-ID: %3Csip%3A1%40x%3E%3Bprivacy%3Duri%3Bscreen%3Dyes"}, true},
		{"RPID Full-network", []string{"variable_sip_Remote-Party-ID: %3Csip%3A1%40x%3E%3BPrivacy%3DFull-network"}, true},
		{"RPID with a name that says off first", []string{"variable_sip_Remote-Party-ID: %22privacy%3Doff%22%20%3Csip%3A1%40x%3E%3Bprivacy%3Duri"}, true},
		{"the switch's own flag", []string{"Caller-Privacy-Hide-Number: true"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := shown + "\n" + lines(tt.headers...)
			want := phone.Number("+14043438646")
			if tt.hidden {
				want = nobody
			}
			if got := readChannel(channelEvent(t, data), time.Now(), nil).call.ANI; got != want {
				t.Errorf("the caller's number is %q, want %q", string(got), string(want))
			}
			// What the dialplan says is explicit.
			explicit := readChannel(channelEvent(t, data+"variable_deflect_number: 4045550123\n"), time.Now(), nil)
			if got := explicit.call.NumberOverride; got != "4045550123" {
				t.Errorf("deflect_number is %q", string(got))
			}
		})
	}
}

// Whose number it is, by the leg that the offer is played to.
func TestNumberIsOfWhoHearsTheOffer(t *testing.T) {
	inbound := []string{"Call-Direction: inbound", "Caller-Direction: inbound", "Caller-Caller-ID-Number: " + ofCaller, "Caller-ANI: " + ofCaller, "variable_direction: inbound"}
	outbound := []string{"Call-Direction: outbound", "Caller-Direction: outbound", "Caller-Source: mod_sofia", "variable_direction: outbound", "variable_is_outbound: true"}
	ringing := append(slices.Clone(outbound),
		"Caller-Caller-ID-Number: "+ofCaller, "Caller-Orig-Caller-ID-Number: "+ofCaller, "Caller-Callee-ID-Number: "+ofCallee, "Caller-ANI: "+ofCaller,
		"Caller-Destination-Number: "+ofCallee, "Other-Type: originator", "Other-Leg-Caller-ID-Number: "+ofCaller,
		"Other-Leg-Destination-Number: "+ofOurs, "Other-Leg-Unique-ID: c029d337-1830-4df4-854c-597eb88600ba", "variable_sip_from_user: "+ofCaller)
	ours := append(slices.Clone(outbound),
		"Caller-Caller-ID-Number: "+ofCallee, "Caller-Orig-Caller-ID-Number: "+ofOurs, "Caller-Callee-ID-Number: "+ofOurs, "Caller-ANI: "+ofOurs,
		"variable_origination_caller_id_number: "+ofOurs, "variable_sip_from_user: "+ofOurs, "variable_sip_to_user: "+ofCallee)
	bridged := []string{"Caller-Orig-Caller-ID-Number: " + ofCaller, "variable_bridge_uuid: 41859d37-b2a0-4195-8b2c-9edee2d56242", "variable_last_bridge_to: 41859d37-b2a0-4195-8b2c-9edee2d56242"}
	tests := []struct {
		name    string
		headers []string
		number  phone.Number
		dialed  string // "" for whatever
	}{
		{"a call from outside", append(slices.Clone(inbound), "Caller-Destination-Number: "+ofOurs), "+14043438646", "+18005550100"},
		{"the called leg of a bridge (execute_on_answer)", append(slices.Clone(ringing), "variable_sip_to_user: "+ofCallee), "+12025550123", "+18005550100"},
		{"one that answered from somewhere else", append(slices.Clone(ringing), "variable_sip_to_user: 12025550177"), nobody, ""},
		{"one that is no telephone number", append(slices.Clone(ringing), "X: y"), nobody, ""},
		{"a call of the switch's own", append(slices.Clone(ours), "Caller-Destination-Number: "+ofCallee), "+12025550123", "+18005550100"},
		{"one that goes through the dialplan", append(slices.Clone(ours), "Caller-Destination-Number: "+ofOurs, "Caller-RDNIS: "+ofCallee), "+12025550123", "+18005550100"},
		{"one whose number is hidden", append(slices.Clone(ours), "Caller-Privacy-Hide-Number: true"), nobody, ""},
		{"outbound by one sign alone", append(slices.Clone(inbound[1:4]), "Call-Direction: outbound"), nobody, ""},
		{"a called leg that was transferred", append(slices.Clone(outbound),
			"Caller-Caller-ID-Number: "+ofCallee, "Caller-Orig-Caller-ID-Number: "+ofCaller, "Caller-Callee-ID-Number: "+ofCaller, "Caller-ANI: "+ofCaller,
			"Caller-Destination-Number: "+ofOurs, "Caller-RDNIS: "+ofCallee, "variable_sip_to_user: "+ofCallee), "+12025550123", "+18005550100"},
		{"the near end of a loopback", append(slices.Clone(ringing), "Caller-Source: mod_loopback", "Channel-Name: loopback/%2B12025550123-a"), nobody, ""},
		{"the far end of a loopback", append(slices.Clone(inbound), "Channel-Name: loopback/%2B18005550100-b", "Caller-Source: mod_loopback"), nobody, ""},
		{"a caller transferred out of a bridge", append(slices.Clone(inbound), bridged...), "+14043438646", ""},
		{"one whose caller id the dialplan put into shape", append(append([]string{"Caller-Caller-ID-Number: 4043438646"}, inbound[3:]...), bridged...), "4043438646", ""},
		{"one who shows the agent's number", append([]string{"Caller-Caller-ID-Number: 1005", "Caller-ANI: " + ofCaller}, bridged...), nobody, ""},
		{"one who shows the agent's telephone", append([]string{"Caller-Caller-ID-Number: " + ofCallee, "Caller-ANI: " + ofCaller}, bridged...), nobody, ""},
	}
	list := []Profile{Profile{Name: "sales", Dialed: []string{"+18005550100"}}.WithDefaults("sounds"), Profile{Name: "rest"}.WithDefaults("sounds")}
	p, err := newProfiles(list, "US")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ch := readChannel(channelEvent(t, lines(tt.headers...)), time.Now(), nil)
			if got := ch.call.ANI; got != tt.number {
				t.Errorf("the number to text is %q, want %q", string(got), string(tt.number))
			}
			if tt.dialed == "" {
				return
			}
			if prof, _, _ := p.find(&ch); prof == nil || prof.Name != "sales" || string(ch.call.DNIS) != tt.dialed {
				t.Errorf("the number dialled is %q of %v, want %q", string(ch.call.DNIS), prof, tt.dialed)
			}
		})
	}
}
