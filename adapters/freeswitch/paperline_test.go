package freeswitch

import (
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// PaperLine is a line to a phone system that there is not, of its own kind: no event
// socket, and no command of one.
type PaperLine struct {
	Caller, Dialed string
	Press          string   // keys of the caller, during the first prompt
	HangsUp        bool     // instead
	Told           []string // what the session said, one write each
	Ended          bool

	events  chan event
	playing string
}

// Talk serves a call over the line as the server serves all calls.
func (s *Server) Talk(l *PaperLine) deflect.Result {
	l.events = make(chan event, 64)
	return newSession(s.cut, s, s.setup.Load(), l).guarded().Result
}

func (l *PaperLine) tell(words ...word) {
	var told []string
	for _, w := range words {
		told = append(told, l.take(w))
	}
	l.Told = append(l.Told, strings.Join(told, ", "))
}

func (l *PaperLine) take(w word) string {
	switch w.do {
	case doOpen:
		l.events <- event{what: callKnown}
		return "open"
	case doAnswer:
		return "answer"
	case doListen:
		return "listen"
	case doPlay, doSay:
		l.playing = w.id
		switch {
		case l.HangsUp:
			l.events <- event{what: callLeft, gone: hungUp}
		case l.Press == "":
			l.stop()
		}
		for _, key := range []byte(l.Press) {
			l.events <- event{what: keyPressed, key: key}
		}
		l.Press = ""
		return "play " + w.prompt + w.digits
	case doStop:
		l.stop()
		return "stop"
	case doSet:
		return "set " + joined(w.set[:2], ' ')
	case doGiveBack:
		l.events <- event{what: lineDown}
		return "give back " + joined(w.set[:2], ' ')
	}
	return "what?"
}

func (l *PaperLine) stop() {
	l.events <- event{what: promptEnded, id: l.playing, result: played}
}

func (l *PaperLine) next(until time.Time) event {
	var late <-chan time.Time
	if !until.IsZero() {
		late = time.After(time.Until(until))
	}
	select {
	case e := <-l.events:
		return e
	case <-late:
		return event{what: timeCame}
	}
}

func (l *PaperLine) wake() { l.events <- event{what: lineWoken} }

func (l *PaperLine) call() (channel, bool) {
	return channel{mode: modeOffer, dialed: []phone.Number{phone.Number(l.Dialed)}, call: &deflect.Call{
		ANI: phone.Number(l.Caller), ExternalCallID: "paper-1", Start: time.Now(),
	}}, true
}

func (l *PaperLine) end() string { l.Ended = true; return "" }

func (l *PaperLine) why() error { return nil }

func (l *PaperLine) trace(*callTrace) {}
