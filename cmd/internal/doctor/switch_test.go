package doctor_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/doctor"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Dialplans as people have them, and what is said of each.
func TestDialplans(t *testing.T) {
	const (
		menu     = `<extension name="menu"><condition field="destination_number" expression="^\+?18005550100$"><action application="ivr" data="sales"></action></condition></extension>`
		accepted = `<extension name="deflect_accepted"><condition field="destination_number" expression="^deflect_accepted$"></condition><condition field="transfer_source" expression="."></condition>
<condition field="rdnis" expression="^\+?18005550100$"><action application="set" data="deflect_mode=accepted"></action><action application="sched_transfer" data="+90 deflect_stuck"></action>
<action application="socket" data="${deflect_daemons} async full"></action></condition></extension>`
		queue = `<extension name="queue"><condition field="destination_number" expression="^\+?1?8005550100$"><action application="event" data="Event-Name=CUSTOM,Event-Subclass=deflect::offer"></action>
<action application="callcenter" data="sales@default"></action></condition></extension>`
		unloop = `<extension name="unloop"><condition field="${unroll_loops}" expression="^true$"></condition><condition field="${sip_looped_call}" expression="^true$"><action application="deflect" data="${destination_number}"></action></condition></extension>`
		pcre   = `<extension name="pcre"><condition field="destination_number" expression="^(?!1)\d+$"><action application="park"></action></condition></extension>`
		night  = `<extension name="night"><condition hour="18-23"></condition><condition field="destination_number" expression="^\+?18005550100$"><action application="voicemail" data="x"></action></condition></extension>`
		nested = `<extension name="sales"><condition field="destination_number" expression="^\+?18005550100$" require-nested="false"><condition wday="2-6"><action application="sched_transfer" data="+90 deflect_stuck"></action><action application="socket" data="%s async full"></action></condition></condition></extension><extension name="stuck"><condition field="destination_number" expression="^deflect_stuck$"/></extension>`
		others = `<extension name="fax"><condition field="${fax}" expression="^true$"><action application="transfer" data="nowhere XML none"></action></condition></extension><extension name="any"><condition field="destination_number" expression="."><action application="transfer" data="nobody XML none"></action></condition></extension>`
		empty  = `<extension name="empty"></extension>`
		noted  = `<extension name="noted" continue="true"><condition field="destination_number" expression=".*"><action application="log" data="INFO &lt;x&gt;"></action></condition></extension>`
	)
	for _, tt := range []struct {
		name     string
		contexts map[string]string
		modules  []string
		level    doctor.Level
		text     string
	}{
		{"the shipped file", map[string]string{"public": offer}, nil, doctor.Good, "hands over the numbers of sales"},
		{"in another context", map[string]string{"public": own, "sales": offer}, nil, doctor.Good, "hands over"},
		{"behind what does not decide", map[string]string{"public": unloop + pcre + noted + offer}, nil, doctor.Good, "hands over"},
		{"before what is for others, who are lost", map[string]string{"public": offer + others}, nil, doctor.Good, "hands over"},
		{"behind what is of another time", map[string]string{"public": night + empty + offer}, nil, doctor.Good, "hands over"},
		{"in a condition in another", map[string]string{"public": nested}, nil, doctor.Good, "hands over"},
		{"by a variable of the switch", map[string]string{"public": strings.Replace(offer, "%s async", "${deflect_daemons} async", 1)}, nil, doctor.Good, "hands over"},
		{"the second of two", map[string]string{"public": strings.Replace(offer, "%s", "10.0.0.9:8084|%s", 1)}, nil, doctor.Good, "hands over"},
		{"by name", map[string]string{"public": strings.Replace(offer, "%s", "localhost:PORT", 1)}, nil, doctor.Good, "hands over"},
		{"a queue", map[string]string{"public": queue}, nil, doctor.Good, "hands over"},
		{"a menu", map[string]string{"public": menu + accepted}, nil, doctor.Skipped, "whether a menu in it transfers to deflect_accepted cannot be seen"},
		{"a menu without the file", map[string]string{"public": menu}, nil, doctor.Bad, "extension menu takes it, and does not hand it over"},
		{"nobody, beside the file of a menu", map[string]string{"public": accepted}, nil, doctor.Bad, "no extension takes it"},
		{"nothing at all", map[string]string{}, nil, doctor.Bad, "no extension takes it"},
		{"by a variable of the call", map[string]string{"public": strings.Replace(offer, "%s async", "${own_daemons} async", 1)}, nil, doctor.Bad, "hands it over to ${own_daemons}"},
		{"from a web server", map[string]string{}, []string{"mod_xml_curl"}, doctor.Skipped, "mod_xml_curl"},
		{"what is no XML", map[string]string{"public": "<extension"}, nil, doctor.Skipped, "no XML dialplan that can be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			_, port, _ := net.SplitHostPort(r.calls)
			r.change(func(sw *freeswitchtest.Switch) {
				sw.Modules, sw.Globals["deflect_daemons"] = append(sw.Modules, tt.modules...), r.calls
				sw.Contexts = map[string]string{}
				for name, inside := range tt.contexts {
					sw.Contexts[name] = strings.NewReplacer("%s", r.calls, "PORT", port).Replace(inside)
				}
			})
			r.want("dialplan", tt.level, tt.text)
		})
	}
}

// A large dialplan is looked through in time.
func TestLargeDialplan(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var numbers, extensions strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&extensions, `<extension name="x%d"><condition field="destination_number" expression="^(\+?1)?(212|213)55%05d$"><action application="park"></action></condition></extension>`, i, i)
	}
	for i := range 40 {
		fmt.Fprintf(&numbers, ", \"+1212555%04d\"", i)
	}
	r.edit(`["+18005550100"`, `["+18005550100"`+numbers.String())
	r.dialplan(extensions.String() + fmt.Sprintf(`<extension name="all"><condition field="destination_number" expression="."><action application="sched_transfer" data="+90 x"></action><action application="socket" data="%s async full"></action></condition></extension>`, r.calls))
	r.well("dialplan")
}

// A switch that announces who waits is of no use while nobody watches it.
func TestAnnouncedToNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.edit("  inbound:\n    - {name: fs1, address: \""+r.sw.Addr()+"\", password_file: fs1}\n", "")
	r.o.Switches = []freeswitch.Switch{{Name: "fs9", Address: r.sw.Addr(), Password: deflect.NewSecret(password)}}
	r.dialplan(`<extension name="queue"><condition field="destination_number" expression="^\+?18005550100$"><action application="event" data="Event-Name=CUSTOM,Event-Subclass=deflect::offer"/></condition></extension>`)
	do := r.want("dialplan", doctor.Bad, "announces who waits, and deflectd does not watch "+r.sw.Addr())
	r.has(do, "add it to freeswitch.inbound")
	r.edit("{listen: \""+r.calls+"\", allow: [127.0.0.0/8]}\n", "{listen: \""+r.calls+"\"}\n  inbound: [{name: fs1, address: \""+r.sw.Addr()+"\", password_file: fs1}]\n")
	r.o.Switches = nil
	r.well("dialplan")
}

// Without a switch that is known, all that it would be asked is said to be open, and how it
// can be asked. One that hands calls over is asked as well as one that is watched.
func TestSwitchesByHand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.edit("  inbound:\n    - {name: fs1, address: \""+r.sw.Addr()+"\", password_file: fs1}\n", "")
	for _, check := range []string{"allow", "switch", "event socket", "dialplan", "prompts", "say", "keys"} {
		r.has(r.want(check, doctor.Skipped, "no switch is named"), "deflectctl doctor --switch 127.0.0.1:8021")
	}
	r.o.Switches = []freeswitch.Switch{{Name: r.sw.Addr(), Address: r.sw.Addr(), Password: deflect.NewSecret(password)}}
	for _, check := range []string{"allow", "switch", "event socket", "dialplan", "prompts", "say", "keys"} {
		r.well(check)
	}
}

// Each of several switches has lines of its own.
func TestSeveralSwitches(t *testing.T) {
	t.Parallel()
	r, other := newRig(t), newRig(t)
	other.change(func(sw *freeswitchtest.Switch) { sw.Globals["sensitive_dtmf"] = "yes" })
	r.o.Switches = []freeswitch.Switch{{Name: "fs2", Address: other.sw.Addr(), Password: deflect.NewSecret(password)}}
	r.want("keys", doctor.Good, "fs1 reports keys")
	r.want("keys", doctor.Bad, "fs2: sensitive_dtmf is true")
	other.sw.Stop()
	r.want("switch", doctor.Good, "fs1 (")
	r.want("switch", doctor.Bad, "fs2 (")
	r.want("keys", doctor.Skipped, "fs2 cannot be asked")
}

// Prompts are looked for as FreeSWITCH finds them, in every language, and those that play
// without a file are not.
func TestPromptsOfAllKinds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.edit("number: ask", `number: ask
    prompts: {offer: "file_string://ivr/a.wav!ivr/b.wav", wait: "tone_stream://%(200,0,440)", sent: "{volume=1}ivr/c.wav@@800"}
    languages:
      es: {text: "Hola", prompts: {offer: ivr/es.wav, wait: "", sent: "say:en:ok", failed: "phrase:x", uncertain: "", already_sent: "", number: ivr/es_n.wav, number_confirm: ivr/es_n.wav, number_invalid: ivr/es_n.wav}}`)
	r.change(func(sw *freeswitchtest.Switch) { sw.Modules = append(sw.Modules, "mod_say_es") })
	for _, file := range []string{"a.wav", "b.wav", "c.wav", "es.wav", "es_n.wav"} {
		where := r.want("prompts", doctor.Bad, r.prefix+"/ivr/"+file)
		r.has(where, "or name another one in profiles.sales.")
		r.write(filepath.Join(r.prefix, "ivr", "16000", file), "")
	}
	r.well("prompts")
	r.well("say")
}

// Without the secrets of the switches nobody guesses; the rest is looked at.
func TestSwitchWithoutItsSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := os.Remove(filepath.Join(r.dir, "fs1")); err != nil {
		t.Fatal(err)
	}
	r.want("secrets", doctor.Bad, "freeswitch.inbound[0].password_file: cannot be read")
	r.has(r.want("switch", doctor.Skipped, "the passwords of the switches cannot be read"), "mend the secrets first")
	r.want("credentials", doctor.Skipped, "the secrets cannot be read")
	r.well("api")
	if n := len(r.sw.Commands()); n > 0 {
		t.Errorf("%d commands to the switch", n)
	}
}

// A switch without mod_commands, as FreeSWITCH 1.10.12 answers then: fs_cli could not even
// load it.
func TestSwitchWithoutCommands(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				_, _ = io.WriteString(nc, "Content-Type: auth/request\n\n")
				for lines := bufio.NewScanner(nc); lines.Scan(); {
					switch command, is := strings.CutPrefix(lines.Text(), "api "); {
					case is:
						text := "-ERR " + command + " Command not found!\n"
						fmt.Fprintf(nc, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(text), text)
					case lines.Text() != "":
						_, _ = io.WriteString(nc, "Content-Type: command/reply\nReply-Text: +OK accepted\n\n")
					}
				}
			}()
		}
	}()
	well := r.sw.Addr()
	r.edit(well, l.Addr().String())
	do := r.want("switch", doctor.Bad, "has not loaded mod_commands: who waits in its queues is not offered a text")
	r.has(do, "name mod_commands in its modules.conf.xml, and restart FreeSWITCH")
	for _, check := range []string{"event socket", "dialplan", "prompts", "say", "keys"} {
		r.has(r.want(check, doctor.Skipped, "it does not know the command"), "mend the switch first")
	}
	r.edit(l.Addr().String(), well)
	r.well("switch")
}
