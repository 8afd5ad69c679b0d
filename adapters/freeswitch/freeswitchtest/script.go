package freeswitchtest

import "time"

// keyGap is how fast a caller presses several keys.
const keyGap = 300 * time.Millisecond

// reached plans what the script wants after a moment of the call.
func (l *leg) reached(where anchor, n int) {
	for _, a := range l.spec.Script {
		if a.anchor == where && a.n == n {
			l.at(a.delay, func() { l.act(a) })
		}
	}
}

func (l *leg) act(a Action) {
	if !l.ch.up() {
		return
	}
	switch a.verb {
	case press:
		for i := range len(a.arg) {
			l.at(time.Duration(i)*keyGap, func() { l.pressed(a.arg[i : i+1]) })
		}
	case hangUp:
		l.callerHangsUp()
	case kill:
		l.note("somebody ends the call")
		l.killed()
	case transfer:
		l.transferTo(a.arg, false)
	case transferToPark:
		l.transferTo(a.arg, true)
	case otherSocket:
		l.otherSocket(a.arg == "resume")
	}
}

// key reports a key, unless the dialplan has said that keys are secret.
func (l *leg) key(digit string) {
	if secret, _ := l.ch.vars.get("sensitive_dtmf", l.ch.fill); secret == "true" {
		l.note("the key is not reported: sensitive_dtmf")
		return
	}
	l.emit(l.ch.press(digit))
}

// takeStale takes the keys of a menu before out of the channel's queue, one a frame.
func (l *leg) takeStale() {
	if l.stale == "" || !l.ch.async {
		return
	}
	l.at(frameTime, func() {
		if l.stale == "" || !l.ch.up() || l.away {
			return
		}
		digit := l.stale[:1]
		l.stale = l.stale[1:]
		l.note("a key of the menu before is reported: %s", digit)
		l.key(digit)
		l.takeStale()
	})
}

// pressed is one key.
func (l *leg) pressed(digit string) {
	e := l.top()
	prompt := e != nil && e.sounds()
	switch {
	case !l.ch.up():
		return
	case l.ch.answered.IsZero() && !prompt:
		l.note("caller presses %s, and nobody hears it: the call is not answered", digit)
		return
	}
	l.note("caller presses %s", digit)
	l.moment(KeyPressed, digit)
	l.key(digit)
	if prompt && l.ch.terminates(digit, e.scoped) {
		l.ch.vars.set("playback_terminator_used", digit)
		l.ended("FILE PLAYED")
	}
}
