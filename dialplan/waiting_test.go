package dialplan_test

import (
	"encoding/xml"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The files for callers who wait in a queue, and what each is for.
var waiting = map[string]struct {
	number string
	queue  action
	music  string
	before []action // besides those that all of them have
}{
	"deflect_callcenter.xml": {"18005550110", action{"callcenter", "support@default"}, "cc_moh_override=", []action{{"set", "hangup_after_bridge=true"}}},
	"deflect_fifo.xml":       {"18005550111", action{"fifo", "support@default in"}, "fifo_music=", []action{{"set", "fifo_orbit_exten=_continue_:1800"}}},
}

// The call is answered, offered, and queued in the same moment; a key that is pressed
// after the queue has let the caller go is no acceptance.
func TestWaiting(t *testing.T) {
	offer := action{"event", "Event-Name=CUSTOM,Event-Subclass=deflect::offer"}
	withdraw := action{"event", "Event-Name=CUSTOM,Event-Subclass=deflect::withdraw"}
	var all []file
	for _, name := range names(t) {
		all = append(all, read(t, name))
	}
	for name, w := range waiting {
		for _, number := range []string{w.number, "+" + w.number} {
			ran := walk(t, all, number, nil) // beside all the other files
			if alone := walk(t, []file{read(t, name)}, number, nil); !slices.Equal(ran, alone) {
				t.Fatalf("%s: %s runs %v, with the other files there %v", name, number, alone, ran)
			}
			queue := slices.Index(ran, w.queue)
			if queue < 2 {
				t.Fatalf("%s: %s runs %v: no %v after the offer", name, number, ran, w.queue)
			}
			before, after := ran[:queue-1], ran[queue+1:]
			if ran[queue-1] != offer {
				t.Errorf("%s: %v comes between the offer and the queue, or the offer is missing", name, ran[queue-1])
			}
			if before[0].Application != "answer" {
				t.Errorf("%s begins with %v: digits before the answer are lost", name, before[0])
			}
			for _, a := range before[1:] { // nothing that takes time, tells of the call too early or sends it away
				if a.Application != "set" {
					t.Errorf("%s runs %v before the offer", name, a)
				}
			}
			want := append([]action{
				{"set", "deflect_offer=true"},
				{"set", "deflect_offer_at=profile_index.profile_created_time"},
				{"set", w.music + "local_stream://deflect"},
			}, w.before...)
			for _, a := range want {
				if !slices.Contains(before, a) {
					t.Errorf("%s does not run %v before the offer", name, a)
				}
			}
			// The variable is for a deflectd that is away; the event ends the offer at once.
			if want := []action{{"set", "deflect_offer=false"}, withdraw, {"transfer", "1000 XML default"}}; !slices.Equal(after, want) {
				t.Errorf("%s runs %v after the queue, want %v", name, after, want)
			}
		}
		for _, number := range []string{"18005550100", "18005550110", "18005550111", "18005550199", "1" + w.number, w.number + "0", w.number[:7] + "99" + w.number[9:]} {
			if ran := walk(t, []file{read(t, name)}, number, nil); number != w.number && len(ran) > 0 {
				t.Errorf("%s: %s runs %v", name, number, ran)
			}
		}
	}
}

// fenced returns the blocks of one language in the README.
func fenced(t *testing.T, language string) []string {
	t.Helper()
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(raw), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// Where the README's on_sent sends callers is a place in each of the files, in the
// context that the files are for, and says goodbye.
func TestTexted(t *testing.T) {
	blocks := slices.DeleteFunc(fenced(t, "yaml"), func(text string) bool { return !strings.Contains(text, "on_sent") })
	if len(blocks) != 1 {
		t.Fatalf("the README has %d blocks of yaml with on_sent, want 1", len(blocks))
	}
	var conf struct {
		FreeSWITCH struct {
			Inbound []struct{ Name, Address string }
		}
		Profiles []struct {
			OnSent struct{ Transfer string } `yaml:"on_sent"`
		}
	}
	if err := yaml.Unmarshal([]byte(blocks[0]), &conf); err != nil {
		t.Fatal(err)
	}
	if in := conf.FreeSWITCH.Inbound; len(in) != 1 || in[0].Address != "127.0.0.1:8021" || len(conf.Profiles) != 1 {
		t.Fatalf("the README's configuration is %+v", conf)
	}
	target := strings.Fields(conf.Profiles[0].OnSent.Transfer)
	if len(target) != 3 || target[1] != "XML" {
		t.Fatalf("on_sent transfers to %q, want extension, XML, context", target)
	}
	for name := range waiting {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if folder := "conf/dialplan/" + target[2] + "/"; !strings.Contains(string(raw), folder) {
			t.Errorf("%s does not go into %s", name, folder)
		}
		want := []action{{"playback", "ivrdeflect/en/goodbye.wav"}, {"hangup", "NORMAL_CLEARING"}}
		if ran := (journey{to: target[0], from: "18005550110"}).walk(t, []file{read(t, name)}); !slices.Equal(ran, want) {
			t.Errorf("%s: %s runs %v, want %v", name, target[0], ran, want)
		}
	}
}

// What the README tells to paste into FreeSWITCH is XML, and the stream is the one
// that the files play.
func TestMusic(t *testing.T) {
	type params []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	streams := 0
	for _, block := range fenced(t, "xml") {
		var b struct {
			Directories []struct {
				Name   string `xml:"name,attr"`
				Params params `xml:"param"`
			} `xml:"directory"`
		}
		if err := xml.Unmarshal([]byte("<all>"+block+"</all>"), &b); err != nil {
			t.Errorf("%v in the README's\n%s", err, block)
		}
		for _, d := range b.Directories {
			streams++
			if d.Name != "deflect" {
				t.Errorf("the README's stream is %q; the files play local_stream://deflect", d.Name)
			}
			got := map[string]string{}
			for _, p := range d.Params {
				got[p.Name] = p.Value
			}
			// mod_local_stream does not look below sound_prefix by itself.
			if got["chime-list"] != "$${sound_prefix}/ivrdeflect/en/announce.wav" || got["chime-freq"] == "" {
				t.Errorf("the README's stream says %v", got)
			}
		}
	}
	if streams != 1 {
		t.Errorf("the README has %d streams, want 1", streams)
	}
}

// What the README tells to paste around a queue are the lines of the files, but for the
// queue itself, and whoever names the place for callers who were texted names the one in
// the files.
func TestDocuments(t *testing.T) {
	blocks := slices.DeleteFunc(fenced(t, "xml"), func(text string) bool { return !strings.Contains(text, "deflect::withdraw") })
	if len(blocks) != 1 {
		t.Fatalf("the README has %d blocks of xml that end an offer, want 1", len(blocks))
	}
	for file := range waiting {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(blocks[0]) {
			if line = strings.TrimSpace(line); !strings.Contains(string(raw), line) && !strings.Contains(line, `"callcenter"`) {
				t.Errorf("%s lacks the README's %s", file, line)
			}
		}
	}
	for _, name := range []string{"README.md", "../examples/freeswitch/deflectd.yaml"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), `on_sent: {transfer: "9999 XML public"}`) {
			t.Errorf("%s: on_sent does not name the place of the files", name)
		}
	}
}
