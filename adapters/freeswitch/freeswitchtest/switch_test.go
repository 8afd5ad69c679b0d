package freeswitchtest

import (
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSwitchCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{}
		p := login(t, s, keysAndOffers)
		w := s.Park(caller())
		w.Announce()
		equal(t, "connections", w.Press("12"), 1)
		w.Withdraw()
		frames := p.read()
		equal(t, "events", len(frames), 4)
		equal(t, "offer", value(frames[0], "Event-Subclass"), "deflect::offer")
		equal(t, "application", value(frames[0], "variable_current_application"), "event")
		equal(t, "keys", value(frames[1], "DTMF-Digit")+value(frames[2], "DTMF-Digit"), "12")
		equal(t, "withdraw", value(frames[3], "Event-Subclass"), "deflect::withdraw")

		equal(t, "set", p.ask("api uuid_setvar_multi c-1 a=b;c=d;a="), "+OK\n")
		equal(t, "set one", p.ask("api uuid_setvar c-1 e f g"), "+OK\n")
		w.Set("h", "i")
		dump := p.ask("api uuid_dump c-1")
		equal(t, "variables", []string{value(dump, "variable_c"), value(dump, "variable_e"), value(dump, "variable_h"),
			value(dump, "variable_current_application")}, []string{"d", "f g", "i", "park"})
		equal(t, "confirmed", value(dump, "variable_sip_to_tag") != "", true)
		equal(t, "exists", p.ask("api uuid_exists c-1"), "true")
		w.HangUp()
		equal(t, "hang-up", p.heard(), []string{"CHANNEL_HANGUP"})
		equal(t, "gone", p.ask("api uuid_dump c-1"), noSuchChannel)
		equal(t, "nobody presses", w.Press("1"), 0)
		w.HangUp()
		w.Announce()
		w.Agent(fifo)
		equal(t, "nothing more", p.heard(), nil)
		equal(t, "calls, listeners", []int{s.Calls(), s.Listeners()}, []int{0, 1})
		r := w.Result()
		equal(t, "vars", r.Vars, map[string]string{"c": "d", "e": "f g"})
		equal(t, "hung up", r.HungUp, true)
		var words []string
		for _, e := range r.Timeline {
			words = append(words, e.Text)
		}
		equal(t, "timeline", words, []string{
			"the call waits", "announces deflect::offer", "caller presses 1", "caller presses 2", "announces deflect::withdraw",
			"a program sets a=b", "a program sets c=d", "a program unsets a", "a program sets e=f g", "caller hangs up",
		})
		equal(t, "violations", s.Violations(), nil)
		equal(t, "commands", s.Commands()[:3], []string{"auth ***", keysAndOffers, "api uuid_setvar_multi c-1 a=b;c=d;a="})
	})
}

func TestSwitchDropAndRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{}
		p := login(t, s, keysAndOffers)
		w := s.Park(caller())
		w.Announce()
		first := value(p.next(), "Core-UUID")
		s.Drop()
		equal(t, "dropped", p.heard(), []string{"end"})
		equal(t, "calls, listeners", []int{s.Calls(), s.Listeners()}, []int{1, 0})

		p = login(t, s, keysAndOffers)
		w.Announce()
		equal(t, "the same switch", value(p.next(), "Core-UUID"), first)
		p.ask("api uuid_broadcast c-1 a.wav aleg")
		time.Sleep(1200 * time.Millisecond)
		p.ask("api uuid_broadcast c-1 b.wav aleg")
		s.Restart()
		equal(t, "restarted", p.heard(), []string{"end"})
		equal(t, "calls, listeners", []int{s.Calls(), s.Listeners()}, []int{0, 0})

		p = login(t, s, keysAndOffers)
		time.Sleep(time.Second)
		equal(t, "dead call", w.Press("1"), 0)
		w.HangUp()
		equal(t, "silence", p.heard(), nil)
		equal(t, "played", w.Result().Played, []Played{{File: "a.wav", At: 200 * time.Millisecond, For: time.Second}})
		s.Park(caller()).Announce()
		if again := value(p.next(), "Core-UUID"); again == first || again == "" {
			t.Errorf("the id after the restart is %q, before it was %q", again, first)
		}
	})
}

func TestSwitchStartAndStop(t *testing.T) {
	s := &Switch{}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	addr := s.Addr()
	if err := s.Start(); err == nil {
		t.Error("it starts twice")
	}
	dial := func() (*peer, error) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, err
		}
		return newPeer(t, conn), nil
	}
	for range 2 {
		p, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		p.next()
		equal(t, "auth", p.ask("auth ClueCon"), "+OK accepted")
		s.Park(caller())
		s.Stop()
		equal(t, "end", p.next(), "")
		equal(t, "calls", s.Calls(), 0)
		if _, err := dial(); err == nil {
			t.Error("a stopped switch listens")
		}
		here, there := net.Pipe()
		s.ServeConn(there)
		if _, err := here.Write([]byte("x")); err == nil {
			t.Error("a stopped switch serves")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		equal(t, "addr", s.Addr(), addr)
	}
}

func TestSwitchManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		s := &Switch{}
		p := login(t, s, keysAndOffers)
		var seen []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for f := range p.frames {
				if id := value(f, "Unique-ID"); id != "" {
					seen = append(seen, value(f, "Event-Name")+value(f, "DTMF-Digit")+id)
				}
			}
		}()
		var want []string
		var calls []*Waiting
		for range n {
			w := s.Park(Call{ANI: "+14045550123"})
			calls = append(calls, w)
			w.Announce()
			w.Press("1")
			want = append(want, "CUSTOM"+w.UUID(), "DTMF1"+w.UUID())
		}
		equal(t, "calls", s.Calls(), n)
		for _, w := range calls {
			w.HangUp()
			want = append(want, "CHANNEL_HANGUP"+w.UUID())
		}
		equal(t, "calls", s.Calls(), 0)
		synctest.Wait()
		p.send("exit")
		<-done
		equal(t, "events", slices.Equal(seen, want), true)
	})
}

func TestSwitchConcurrently(t *testing.T) {
	s := &Switch{}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	var tasks sync.WaitGroup
	dropped := make(chan struct{})
	for range 8 {
		tasks.Go(func() {
			conn, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			p := newPeer(t, conn)
			send := func(text string) { _, _ = conn.Write([]byte(text + "\n\n")) } // perhaps it was dropped
			send("auth ClueCon\n\nevent json ALL")
			for range 20 {
				w := s.Park(Call{})
				w.Announce()
				send("api uuid_setvar_multi " + w.UUID() + " a=b\n\napi uuid_broadcast " + w.UUID() + " a.wav aleg")
				w.Press("12")
				w.Agent(callcenter)
				w.Transfer("9999")
				_, _, _ = s.Calls(), s.Listeners(), w.Result()
				w.HangUp()
			}
			<-dropped // there is somebody to drop until then
			send("exit")
			for range p.frames {
				_ = s.Violations()
			}
		})
	}
	tasks.Go(func() {
		for s.Listeners() == 0 {
			runtime.Gosched()
		}
		s.Drop()
		close(dropped)
	})
	tasks.Wait()
	equal(t, "calls", s.Calls(), 0)
}

func TestParkRefusesNonsense(t *testing.T) {
	for name, f := range map[string]func(s *Switch){
		"uuid":     func(s *Switch) { s.Park(Call{UUID: "a b"}) },
		"variable": func(s *Switch) { s.Park(Call{Vars: map[string]string{"a b": ""}}) },
		"twice":    func(s *Switch) { s.Park(Call{UUID: "a"}); s.Park(Call{UUID: "a"}) },
		"key":      func(s *Switch) { s.Park(Call{}).Press("x") },
		"agent":    func(s *Switch) { s.Park(Call{}).Agent("x") },
		"target":   func(s *Switch) { s.Park(Call{}).Transfer("a b") },
		"set":      func(s *Switch) { s.Park(Call{}).Set("", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			s := &Switch{}
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "freeswitchtest: ") {
					t.Errorf("panic %q", text)
				}
				s.Calls() // the switch is not locked
			}()
			f(s)
		})
	}
}
