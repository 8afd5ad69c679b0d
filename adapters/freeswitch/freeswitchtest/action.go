package freeswitchtest

import (
	"fmt"
	"strings"
	"time"
)

// An Action is one thing that happens to a call, and when. Build one with
// Press, HangUp, Kill or Transfer, and move it in time with its methods:
//
//	Press("1").After(time.Second)
//	HangUp().SinceAnswer(3 * time.Second)
//
// Without a time it happens as soon as the first prompt begins. An action
// whose moment never comes (a second prompt that is not played) is left out.
type Action struct {
	verb   verb
	arg    string
	anchor anchor
	n      int
	delay  time.Duration
}

type verb int

const (
	press verb = iota
	hangUp
	kill
	transfer
	transferToPark
	otherSocket
)

type anchor int

const (
	atPromptStart anchor = iota
	atPromptEnd
	atConnect
	atAnswer
)

// Press presses the keys 0-9, *, # or A-D, one after another.
func Press(digits string) Action { return Action{verb: press, arg: digits, n: 1} }

// PressDuring presses keys some time after the n-th prompt began. The first
// prompt has the number 1.
func PressDuring(n int, digits string, after time.Duration) Action {
	return Press(digits).SincePrompt(n, after)
}

// PressAfter presses keys in the silence, some time after the n-th prompt
// ended.
func PressAfter(n int, digits string, after time.Duration) Action {
	return Press(digits).SincePromptEnd(n, after)
}

// HangUp lets the caller hang up.
func HangUp() Action { return Action{verb: hangUp, n: 1} }

// Kill ends the call from inside the switch, as an operator does with
// uuid_kill.
func Kill() Action { return Action{verb: kill, n: 1} }

// Transfer lets somebody else send the call to another extension. There it
// is answered, kept waiting for a moment and hung up.
func Transfer(extension string) Action { return Action{verb: transfer, arg: extension, n: 1} }

// TransferToPark is Transfer to an extension that parks the call, as the socket of
// another event-socket program does: the end of the first socket's control ends
// that too, and there is no next action.
func TransferToPark(extension string) Action {
	return Action{verb: transferToPark, arg: extension, n: 1}
}

// OtherSocket lets another event-socket program end its socket, which the dialplan
// has started on the same call (execute_on_answer=socket), with resume or without:
// that ends the socket application as well, and the dialplan goes on with the next
// action while the peer still has its connection.
func OtherSocket(resume bool) Action {
	return Action{verb: otherSocket, arg: pick(resume, "resume", ""), n: 1}
}

// After moves the action to d after the first prompt began.
func (a Action) After(d time.Duration) Action { return a.SincePrompt(1, d) }

// SinceConnect moves the action to d after the socket was connected.
func (a Action) SinceConnect(d time.Duration) Action { return a.at(atConnect, 0, d) }

// SinceAnswer moves the action to d after the call was answered.
func (a Action) SinceAnswer(d time.Duration) Action { return a.at(atAnswer, 0, d) }

// SincePrompt moves the action to d after the n-th prompt began.
func (a Action) SincePrompt(n int, d time.Duration) Action { return a.at(atPromptStart, n, d) }

// SincePromptEnd moves the action to d after the n-th prompt ended, however
// it ended.
func (a Action) SincePromptEnd(n int, d time.Duration) Action { return a.at(atPromptEnd, n, d) }

func (a Action) at(where anchor, n int, d time.Duration) Action {
	a.anchor, a.n, a.delay = where, n, d
	return a
}

const keys = "0123456789*#ABCD"

func (a Action) validate() error {
	if a.verb == press {
		if a.arg == "" {
			return fmt.Errorf("press: no digits")
		}
		if bad := strings.Trim(a.arg, keys); bad != "" {
			return fmt.Errorf("press: %q are not keys of a telephone", bad)
		}
	}
	if (a.verb == transfer || a.verb == transferToPark) && !plainWord(a.arg) {
		return fmt.Errorf("transfer: %q is not an extension", a.arg)
	}
	if a.delay < 0 {
		return fmt.Errorf("action: negative time %v", a.delay)
	}
	if (a.anchor == atPromptStart || a.anchor == atPromptEnd) && a.n < 1 {
		return fmt.Errorf("action: prompts are counted from 1, not %d", a.n)
	}
	return nil
}

func plainWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}
