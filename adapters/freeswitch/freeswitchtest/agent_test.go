package freeswitchtest

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestCallcenterAgentTakesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w, p := queued(t)
		p.send("api uuid_broadcast c-1 long.wav aleg", "api uuid_broadcast c-1 short.wav aleg")
		time.Sleep(1200 * time.Millisecond)
		p.tell()
		w.Agent(callcenter)
		var bridge string
		for _, f := range p.read() {
			if value(f, "Event-Name") == eventBridge {
				bridge = f
			}
		}
		agent := value(bridge, "Bridge-B-Unique-ID")
		equal(t, "bridge", []string{value(bridge, "Unique-ID"), value(bridge, "Bridge-A-Unique-ID"), value(bridge, "Other-Leg-Unique-ID"),
			value(bridge, "Caller-Profile-Index"), value(bridge, "Channel-State"), value(bridge, "variable_bridge_uuid")},
			[]string{"c-1", "c-1", agent, "2", "CS_SOFT_EXECUTE", agent})
		dump := p.ask("api uuid_dump c-1")
		equal(t, "dump", []string{value(dump, "Other-Leg-Unique-ID"), value(dump, "variable_signal_bond"), value(dump, "Caller-Caller-ID-Number")},
			[]string{agent, agent, "+14045550123"})
		r := w.Result()
		equal(t, "bridged", r.Bridged, true)
		equal(t, "played", r.Played, []Played{{File: "long.wav", At: 200 * time.Millisecond, For: time.Second, Response: "PLAYBACK ERROR"}})
		w.Agent(callcenter)
		equal(t, "only once", p.tell(), nil)
		w.Transfer("9999")
		equal(t, "taken away", p.tell(), []string{"UNBRIDGE"})
		equal(t, "other leg", value(p.ask("api uuid_dump c-1"), "Other-Leg-Unique-ID"), "")
	})
}

func TestFifoAgentTakesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, p := queued(t)
		q := login(t, s, "event plain CHANNEL_BRIDGE DTMF", "filter variable_deflect_offer true", "filter Event-Name DTMF")
		p.ask("api uuid_setvar c-1 deflect_offer true")
		w.Agent(fifo)
		frames := p.read()
		equal(t, "frames", len(frames), 2)
		equal(t, "queue", value(frames[0], "Application"), fifo)
		bridge := frames[1]
		equal(t, "bridge", []string{value(bridge, "Bridge-B-Unique-ID"), value(bridge, "Other-Leg-Unique-ID"), value(bridge, "variable_deflect_offer")},
			[]string{"c-1", "c-1", ""})
		equal(t, "agent", value(bridge, "Unique-ID"), value(bridge, "Bridge-A-Unique-ID"))
		equal(t, "behind a filter", q.heard(), nil)
		w.Press("5")
		key := q.next()
		equal(t, "key", []string{value(key, "Other-Leg-Unique-ID"), value(key, "Channel-State"), value(key, "Caller-Profile-Index"),
			value(key, "Caller-Caller-ID-Number"), value(key, "Caller-ANI")},
			[]string{value(bridge, "Unique-ID"), "CS_EXCHANGE_MEDIA", "2", "agent7", "+14045550123"})
	})
}

// A prompt swallows what mod_fifo tells the caller's channel when an agent
// answers: both wait until the music is cut.
func TestFifoAgentWaitsForTheMusic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w, p := queued(t)
		p.send("api uuid_broadcast c-1 long.wav aleg")
		time.Sleep(1200 * time.Millisecond)
		w.Agent(fifo)
		time.Sleep(time.Minute)
		equal(t, "story", p.tell(), []string{"EXECUTE playback long.wav", "PLAYBACK_START", "PLAYBACK_STOP break",
			"EXECUTE_COMPLETE playback long.wav FILE PLAYED"})
		equal(t, "bridged", w.Result().Bridged, false)
		p.send("api uuid_break c-1")
		time.Sleep(time.Second)
		equal(t, "story", p.tell(), []string{"EXECUTE_COMPLETE fifo f1@default in FILE PLAYED", "BRIDGE"})
		equal(t, "bridged", w.Result().Bridged, true)
	})
	synctest.Test(t, func(t *testing.T) {
		_, w, p := queued(t)
		p.send("api uuid_broadcast c-1 long.wav aleg")
		w.Agent(fifo)
		p.send("api uuid_transfer c-1 9999 XML public")
		time.Sleep(time.Second)
		equal(t, "bridged all the same", w.Result().Bridged, true)
	})
}
