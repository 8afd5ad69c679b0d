package freeswitch

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// channelEvent makes channel data of a header block, through the real codec.
func channelEvent(t testing.TB, headers string) esl.Event {
	t.Helper()
	ours, theirs := net.Pipe()
	c := esl.NewConn(ours, esl.Config{})
	defer c.Close()
	go func() {
		theirs.Read(make([]byte, 64))
		theirs.Write([]byte(headers + "Content-Type: command/reply\nReply-Text: %2BOK%0A\n\n"))
	}()
	if err := c.Post(esl.Connect()); err != nil {
		t.Fatal(err)
	}
	e, _ := c.Next(time.Time{}) // what is malformed brings an event without headers
	return e
}

func TestChannelDataBecomeTheCall(t *testing.T) {
	now := time.Unix(1795300000, 0)
	tests := []struct {
		name, headers string
		check         func(channel) (got, want any)
	}{
		{"caller id before ANI", "Caller-ANI: 1\nCaller-Caller-ID-Number: %2B14043438646\n",
			func(c channel) (any, any) { return c.call.ANI, phone.Number("+14043438646") }},
		{"ANI without a caller id", "Caller-ANI: %2B14043438646\n",
			func(c channel) (any, any) { return c.call.ANI, phone.Number("+14043438646") }},
		{"privacy wins", "Caller-Caller-ID-Number: %2B14043438646\nCaller-Privacy-Hide-Number: true\n",
			func(c channel) (any, any) { return c.call.ANI, phone.Number("anonymous") }},
		{"nothing", "X: y\n", func(c channel) (any, any) { return c.call.ANI, phone.Number("anonymous") }},
		{"start", "Caller-Channel-Created-Time: 1795229285160615\n",
			func(c channel) (any, any) { return c.call.Start.UnixMicro(), int64(1795229285160615) }},
		{"start of a switch whose clock is ahead", "Caller-Channel-Created-Time: 1900000000000000\n",
			func(c channel) (any, any) { return c.call.Start, now }},
		{"start of a switch whose clock was never set", "Caller-Channel-Created-Time: 946684800000000\n",
			func(c channel) (any, any) { return c.call.Start, now }},
		{"start that is none", "Caller-Channel-Created-Time: x\n", func(c channel) (any, any) { return c.call.Start, now }},
		{"start zero", "Caller-Channel-Created-Time: 0\n", func(c channel) (any, any) { return c.call.Start, now }},
		{"mode", "variable_deflect_mode: accepted\n", func(c channel) (any, any) { return c.mode, modeAccepted }},
		{"no mode", "X: y\n", func(c channel) (any, any) { return c.mode, modeOffer }},
		{"answered", "Answer-State: answered\n", func(c channel) (any, any) { return c.answered, true }},
		{"early media is no answer", "Answer-State: early\n", func(c channel) (any, any) { return c.answered, false }},
		{"uuid that is none", "Unique-ID: a%0Ab\n", func(c channel) (any, any) { return c.uuid, "?" }},
		{"first of two", "Unique-ID: one\nUnique-ID: two\n", func(c channel) (any, any) { return c.uuid, "one" }},
		{"digits", "variable_deflect_digits: 1x2~%0A3\n", func(c channel) (any, any) { return c.call.Digits, "123" }},
		{"name", "variable_deflect_first_name: %0AJ%00a%C3%A9%FFn%E2%80%8Be%20%0A\n",
			func(c channel) (any, any) { return c.call.FirstName, "Jaén\u200be" }},
		{"text keeps its lines", "variable_deflect_text: a%0Ab%07\n", func(c channel) (any, any) { return c.call.Text, "a\nb" }},
		{"info", "variable_deflect_info_plan: Gold%20%C3%9Cber\nvariable_deflect_info_: x\n",
			func(c channel) (any, any) { return c.call.CallerInfo["plan"], "Gold Über" }},
		{"template variables", "variable_deflect_template_12: Gold%20%C3%9Cber%07\nvariable_deflect_template_: x\nvariable_deflect_template_a: x\nvariable_deflect_template_1234: x\n",
			func(c channel) (any, any) { return fmt.Sprint(c.call.TemplateVariables), "map[12:Gold Über]" }},
		{"consumer id", "variable_deflect_consumer_id: %0Aann\n", func(c channel) (any, any) { return c.call.ConsumerID, "ann" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := tt.check(readChannel(channelEvent(t, tt.headers), now, nil)); got != want {
				t.Errorf("got %#v, want %#v", got, want)
			}
		})
	}
}

// A transferred call still has what its caller dialled.
func TestTransferKeepsTheNumberDialled(t *testing.T) {
	list := []Profile{{Name: "sales", Dialed: []string{"+18005550100"}}, {Name: "rest"}}
	tests := []struct{ headers, profile, dialed string }{
		{"Caller-Destination-Number: 18005550100\n", "sales", "+18005550100"},
		{"Caller-Destination-Number: deflect_accepted\nCaller-RDNIS: 18005550100\n", "sales", "+18005550100"},
		{"Caller-Destination-Number: deflect_accepted\nCaller-RDNIS: 5000\nvariable_sip_to_user: %2B18005550100\n", "sales", "+18005550100"},
		{"Caller-Destination-Number: 18005550111\nvariable_sip_to_user: 18005550100\n", "sales", "+18005550100"},
		{"Caller-Destination-Number: 18005550111\n", "rest", "+18005550111"},
		{"Caller-Destination-Number: 5000\nvariable_deflect_profile: sales\n", "sales", "+18005550100"},
		{"Caller-Destination-Number: 5000\n", "rest", "5000"},
		{"variable_deflect_profile: none\nCaller-Destination-Number: 18005550100\n", "", "+18005550100"},
	}
	for i := range list {
		list[i] = list[i].WithDefaults("sounds")
	}
	p, err := newProfiles(list, "US")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		ch := readChannel(channelEvent(t, tt.headers), time.Now(), nil)
		name := ""
		if prof, _, _ := p.find(&ch); prof != nil {
			name = prof.Name
		}
		if name != tt.profile || string(ch.call.DNIS) != tt.dialed {
			t.Errorf("%q: profile %q for %q, want %q for %q", tt.headers, name, string(ch.call.DNIS), tt.profile, tt.dialed)
		}
	}
}

// Whatever the channel data hold, what is taken from them is bounded and clean,
// and nothing of it can get into the variables that are set.
func FuzzReadChannel(f *testing.F) {
	f.Add("Caller-Caller-ID-Number: %2B14043438646\nvariable_deflect_info_a: b\n", "473513", "12")
	f.Add("variable_deflect_digits: 1~x=${system(id)}\nvariable_deflect_first_name: %0Aexit%0A%0A\n", "1~a=b", "1\n2")
	many := ""
	for i := range 2 * maxInfoKeys {
		many += fmt.Sprintf("variable_deflect_info_%d: x\n", i)
	}
	f.Add(many, "", "")
	f.Add("variable_deflect_template_1: a\nvariable_deflect_template_2x: b\nVariable_Deflect_Template_3: c\nvariable_deflect_consumer_id: d\n", "", "")
	rest, err := newProfiles([]Profile{Profile{Name: "rest", Skill: "s", Text: "Hi {{.FirstName}} {{.Info.a}}"}.WithDefaults("sounds")}, "US")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, headers, callID, digits string) {
		if strings.Contains(headers, "\n\n") || !strings.HasSuffix(headers, "\n") || strings.Contains(headers, "\r") {
			return // more than one header block
		}
		e := channelEvent(t, headers)
		if e.Name() != esl.ChannelData {
			return // not channel data: the codec refused it
		}
		ch := readChannel(e, time.Unix(1800000000, 0), nil)
		if _, v, err := rest.find(&ch); err != nil || v == nil || ch.call.Wait != nil && (*ch.call.Wait < 0 || *ch.call.Wait > 24*time.Hour) {
			t.Fatalf("voice %v, wait %v: %v", v, ch.call.Wait, err)
		}
		texts := []string{ch.call.ExternalCallID, ch.call.Skill, ch.call.TextTag, ch.call.FirstName, ch.call.LastName,
			ch.call.CustomerID, ch.call.CustomerIDDescriptor, ch.call.ConsumerID, string(ch.call.NumberOverride), ch.uuid, ch.profile}
		if len(ch.call.TemplateVariables) > maxTemplate {
			t.Fatalf("%d template variables", len(ch.call.TemplateVariables))
		}
		for k, v := range ch.call.TemplateVariables {
			texts = append(texts, k, v)
		}
		for k, v := range ch.call.CallerInfo {
			texts = append(texts, k, strings.ReplaceAll(v.(string), "\n", ""))
		}
		for _, s := range append(texts, strings.ReplaceAll(ch.call.Text, "\n", "")) {
			if len(s) > 2*maxValue || !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
				t.Fatalf("took %q", s)
			}
		}
		if !digitsForm.MatchString(ch.call.Digits) || len(ch.call.CallerInfo) > maxInfoKeys {
			t.Fatalf("took digits %q, %d infos", ch.call.Digits, len(ch.call.CallerInfo))
		}
		sent := end(deflect.Sent, deflect.ReasonOK)
		sent.CallID = callID
		arg := multiset(outVariables(sent, digits, false))
		if strings.ContainsAny(arg, "${}\n\r\x00'\"\\") || strings.Count(arg, "~") != 7 {
			t.Fatalf("multiset %q", arg)
		}
	})
}

// newProfiles makes profiles with their defaults ready for calls.
func newProfiles(list []Profile, region string) (*profiles, error) {
	v := &checker{}
	return &profiles{directory: newDirectory(list, region), list: v.profiles(list, region)}, errors.Join(v.errs...)
}
