package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// order is a command of the event socket.
type order struct{ word, arg, app, data, id string }

// read reads one command. An empty line ends it; further ones, and carriage returns,
// are as welcome as at FreeSWITCH.
func (l *leg) read() (order, error) {
	var c order
	for {
		line, err := l.in.ReadSlice('\n')
		if err != nil {
			return c, err
		}
		line = cutLine(line)
		switch {
		case len(line) == 0 && c.word != "":
			if l.done&pressed != 0 && !l.notFirst {
				l.notFirst = true
				l.marks.command.Store(now())
			}
			return c, nil
		case len(line) == 0:
		case c.word == "":
			c.word, c.arg, _ = strings.Cut(string(line), " ")
		default:
			name, value, _ := bytes.Cut(line, []byte(": "))
			switch {
			case bytes.EqualFold(name, []byte("execute-app-name")):
				c.app = string(value)
			case bytes.EqualFold(name, []byte("execute-app-arg")):
				c.data = string(value)
			case bytes.EqualFold(name, []byte("Event-UUID")):
				c.id = string(value)
			case bytes.EqualFold(name, []byte("Content-Length")):
				return c, errors.New("a command with a body, which this switch does not read")
			}
		}
	}
}

// filters are those that a subject has to ask for.
var filters = map[string]set{
	"Event-Name DTMF":                     filterDTMF,
	"Event-Name CHANNEL_EXECUTE_COMPLETE": filterComplete,
	"Event-Name CHANNEL_HANGUP":           filterHangup,
}

// obey does what a command says.
func (l *leg) obey(c order) error {
	step := set(0)
	switch c.word {
	case "connect":
		l.done |= connected
		return l.say(l.rec.data)
	case "sendmsg":
		return l.execute(c)
	case "exit":
		l.done |= exited
		return l.write(replyBye, l.rec.bye.appendTo(nil, l.id))
	case "myevents":
		step = events
	case "filter":
		step = filters[c.arg]
		if app, ok := strings.CutPrefix(c.arg, "Application -"); ok {
			l.silent = append(l.silent, app)
		}
	case "resume":
		if l.done&outcome == 0 {
			return errors.New("before the outcome")
		}
		step = resumed
	case "api": // lets the dialplan go on as well, when nothing plays
		if l.done&outcome == 0 || !strings.HasPrefix(c.arg, "uuid_setvar ") || !strings.HasSuffix(c.arg, " socket_resume") {
			return errors.New("it is the end of socket_resume, after the outcome")
		}
		l.done |= resumed
		return l.write(replyAPI)
	case "linger":
	default:
		return errors.New("unknown command")
	}
	l.done |= step
	return l.write(replyOK)
}

// execute runs an application.
func (l *leg) execute(c order) error {
	if l.done&listening != listening {
		return errors.New("before connect, myevents and the filters")
	}
	step := set(0)
	c.data = strings.TrimPrefix(c.data, "%[playback_terminators=none]")
	switch {
	case c.app == "answer":
		step = answered
	case c.app == "flush_dtmf" && l.done&offered == 0:
	case c.app == "unset" && c.data == "socket_resume" && l.done&resumed != 0:
	case c.app == "playback" && l.done&answered == 0:
		return errors.New("the call is not answered")
	case c.app == "playback" && l.done&offered == 0:
		if c.data != offerPrompt || c.id == "" {
			return errors.New("the first prompt is the offer, with an Event-UUID")
		}
		l.playing, l.marks.offered = c.id, now()
		l.done |= offered
		return l.write(replyOK)
	case c.app == "playback" && l.playing != "":
		return errors.New("the offer still plays")
	case c.app == "playback":
		if c.data == sentPrompt {
			if l.marks.request.Load() == 0 {
				return errors.New("the caller hears that a text was sent, and the API got no request")
			}
			step = told
		}
	case c.app == "break" && l.playing != "":
		l.done |= stopped
		if err := l.write(replyOK); err != nil {
			return err
		}
		if err := l.ended("break", ""); err != nil {
			return err
		}
		step, c.id, c.app, l.playing = stopped, l.playing, "playback", ""
		return l.say(l.rec.end(c.app, c.id))
	case c.app == "break" && l.done&stopped == 0:
		return errors.New("nothing plays")
	case c.app == "break": // said twice, because the first one took long to show
	case c.app == "multiset" && l.done&told == 0 && strings.Contains(c.data, "~deflect_outcome=uncertain~"): // until more is known
	case c.app == "multiset":
		if !strings.Contains(c.data, "~deflect_outcome=sent~") {
			return fmt.Errorf("the outcome is not sent: %s", c.data)
		}
		if l.marks.request.Load() == 0 {
			return errors.New("the outcome is sent, and the API got no request")
		}
		step = outcome
	default:
		return errors.New("unknown application")
	}
	l.done |= step
	if err := l.write(replyOK); err != nil {
		return err
	}
	return l.ended(c.app, c.id)
}

// ended tells of the end of an application, to who wants to know.
func (l *leg) ended(app, id string) error {
	if slices.Contains(l.silent, app) {
		return nil
	}
	return l.say(l.rec.end(app, id))
}
