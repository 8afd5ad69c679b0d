package freeswitch

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// browserData are the data of a channel of mod_verto, in the order in which the switch
// sends them: its own first, then the variables, with those of the browser.
func browserData(variables string) string {
	return lines(
		"Channel-Direction: inbound", "Channel-Channel-Name: verto.rtc/18005550100", "Channel-Source: mod_verto",
		"Channel-State: CS_EXECUTE", "Channel-Name: verto.rtc/18005550100", "Unique-ID: 9a2a1c5e-0d0f-4b6e-8f5c-1d2c3b4a5f60",
		"Call-Direction: inbound", "Answer-State: answered", "Caller-Direction: inbound", "Caller-Username: 1008%40example.net",
		"Caller-Caller-ID-Number: %2B14043438646", "Caller-Destination-Number: 18005550100", "Caller-Source: mod_verto",
		"Caller-Channel-Name: verto.rtc/18005550100", "Caller-Privacy-Hide-Number: false",
		"variable_direction: inbound", "variable_verto_dvar_email: a%40example.net", "variable_verto_user: 1008%40example.net",
	) + variables
}

// A browser names variables as it likes. None of them counts, but those that the
// configuration names and what came of an earlier pass.
func TestVariablesOfABrowserCountIfNamed(t *testing.T) {
	const forged = "variable_deflect_number: %2B14045550123\nvariable_deflect_mode: accepted\nvariable_deflect_skill: vip\n" +
		"variable_deflect_info_plan: Gold\nvariable_deflect_info_tier: 1\nvariable_deflect_template_1: Ann\nvariable_deflect_template_2: Lee\nvariable_deflect_consumer_id: ann\nvariable_deflect_asked: declined\nvariable_deflect_consent: true\n"
	read := func(data string, counting ...string) string {
		ch := readChannel(channelEvent(t, data), time.Now(), counting)
		return fmt.Sprintf("%s to %q or %q, skill %q, info %v, template %v, consumer %q, consent %v, asked %q", ch.mode, string(ch.call.ANI), string(ch.call.NumberOverride),
			ch.call.Skill, ch.call.CallerInfo, ch.call.TemplateVariables, ch.call.ConsumerID, ch.call.Consent, ch.asked)
	}
	const all = `accepted to "+14043438646" or "+14045550123", skill "vip", info map[plan:Gold tier:1], template map[1:Ann 2:Lee], consumer "ann", consent true, asked "declined"`
	const none = `offer to "+14043438646" or "", skill "", info map[], template map[], consumer "", consent false, asked "declined"`
	if got := read("Caller-Caller-ID-Number: %2B14043438646\nChannel-Name: sofia/internal/verto\n" + forged); got != all {
		t.Errorf("of a telephone: %s, want %s", got, all)
	}
	if got := read(browserData(forged)); got != none {
		t.Errorf("of a browser: %s, want %s", got, none)
	}
	named := `offer to "+14043438646" or "", skill "vip", info map[plan:Gold], template map[2:Lee], consumer "", consent false, asked "declined"`
	if got := read(browserData(forged), "deflect_skill", "deflect_info_plan", "deflect_template_2"); got != named {
		t.Errorf("of a browser, skill and plan count: %s, want %s", got, named)
	}
	// Each sign is enough: the others may be missing, or say something else.
	for _, sign := range []string{
		"Channel-Name: verto.rtc/x", "Channel-Channel-Name: Verto.rtc/x", "Caller-Channel-Name: verto.rtc/x", "Channel-Source: mod_verto",
		"Caller-Source: mod_verto", "variable_verto_user: x", "variable_Verto_dvar_a: x", "variable_jsock_uuid_str: x",
		"Other-Leg-Source: mod_verto", "Other-Leg-Channel-Name: verto.rtc/x",
	} {
		if got := read("Caller-Caller-ID-Number: %2B14043438646\n" + forged + sign + "\n"); got != none {
			t.Errorf("of a call with %q: %s, want %s", sign, got, none)
		}
	}
}

// A header that is there twice was made by somebody who may name variables: no word of
// the data is believed.
func TestForgedHeadersAreNotBelieved(t *testing.T) {
	p, err := newProfiles([]Profile{Profile{Name: "rest", Skill: "s"}.WithDefaults("sounds")}, "US")
	if err != nil {
		t.Fatal(err)
	}
	phone := lines("Channel-Name: sofia/internal/1", "Unique-ID: a", "Call-Direction: inbound", "Caller-Caller-ID-Number: %2B14043438646",
		"Caller-Destination-Number: 18005550100", "variable_deflect_number: %2B14045550123", "variable_deflect_asked: no_input", "variable_deflect_info_a: b")
	for _, data := range []string{browserData(""), phone} {
		if ch := readChannel(channelEvent(t, data), time.Now(), nil); ch.forged {
			t.Fatalf("taken for forged: %s", data)
		}
		for line := range strings.Lines(data) {
			name, _, _ := strings.Cut(line, ":")
			switch name {
			case "Channel-State", "Caller-Username", "Channel-Direction", "variable_verto_dvar_email", "variable_verto_user":
				continue // nobody looks at them, or they cannot tell more
			}
			again := data + "variable_x: y\n" + strings.ToUpper(name) + ": %2B12025550177\n"
			ch := readChannel(channelEvent(t, again), time.Now(), nil)
			_, _, no, _ := (&setup{profiles: p}).look(&ch)
			if no.Outcome != deflect.Ineligible || no.Reason != deflect.ReasonInvalidCall || !errors.Is(no.err, errForged) || ch.call.ANI != nobody || ch.call.NumberOverride != "" {
				t.Errorf("%s twice: %v, number %q", name, no, string(ch.call.ANI))
			}
		}
	}
}

// Whatever a browser sends, whoever is texted is the one whose number the switch
// shows, or nobody; and no key is taken as pressed.
func FuzzBrowser(f *testing.F) {
	for _, v := range []string{
		"deflect_number\x00+14045550123", "x: y\nvariable_deflect_number\x00+14045550123", "deflect_mode\x00accepted", "x: y\nChannel-Name: sofia/a\nb\x00c",
		"x: y\nCaller-Caller-ID-Number\x00+14045550123", "x: y\ncaller-ani\x00+14045550123", "x: y\nCall-Direction: outbound\nvariable_sip_to_user: 4045550123\nCaller-Callee-ID-Number\x004045550123",
		"x: y\n\nContent-Type: command/reply\nvariable_deflect_number\x00+14045550123", "verto_user\x00x", "x: y\nvariable_other\x00z\x00deflect_consent\x00true",
	} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		// Names and values by turns; the switch encodes the values alone.
		words, b := strings.Split(sent, "\x00"), strings.Builder{}
		for i := 0; i+1 < len(words); i += 2 {
			b.WriteString("variable_" + words[i] + ": ")
			for _, c := range []byte(words[i+1]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
			b.WriteString("\n")
		}
		ch := readChannel(channelEvent(t, browserData(b.String())), time.Now(), nil)
		if ch.forged && ch.call.ANI == nobody && ch.call.NumberOverride == "" {
			return
		}
		if n := ch.call.ANI; n != "+14043438646" && n != nobody || ch.call.NumberOverride != "" || ch.mode != modeOffer || ch.call.Consent || ch.profile != "" || ch.call.CallerInfo != nil || ch.call.Text != "" {
			t.Errorf("%q makes %q, %q, mode %q, %+v", sent, string(n), string(ch.call.NumberOverride), ch.mode, ch.call.CallerInfo)
		}
	})
}

// A browser's variables count where the configuration names them: those that say something
// to us, and none that tells what we have found out.
func TestOnlyWhatTheDialplanSaysCanCount(t *testing.T) {
	check := func(names ...string) string {
		v := &checker{}
		v.variables("Variables", names)
		return fmt.Sprint(errors.Join(v.errs...))
	}
	said := []string{
		"deflect_mode", "deflect_profile", "deflect_skill", "deflect_text", "deflect_text_tag", "deflect_digits",
		"deflect_first_name", "deflect_last_name", "deflect_customer_id", "deflect_customer_id_descriptor", "deflect_number",
		"deflect_external_id", "deflect_language", "deflect_wait_seconds", "deflect_consent", "deflect_info_plan",
	}
	if got := check(said...); got != "<nil>" {
		t.Error(got)
	}
	for _, name := range []string{"", "deflect_", "deflect_info_", "number", "deflect_outcome", "deflect_asked", "deflect_watchdog", "deflect_offer", "sip_to_user", "Deflect_number", "variable_deflect_number", "deflect_info_a b", "deflect_info_a\nb"} {
		if got := check(name); !strings.Contains(got, "Variables[0]: ") {
			t.Errorf("%q: %s", name, got)
		}
	}
}
