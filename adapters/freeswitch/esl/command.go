package esl

import (
	"fmt"
	"strconv"
	"strings"
)

// Command is one command to the switch, made by a constructor of this package.
// A command that must not be written says so in Err; the zero Command is one.
type Command struct {
	word string // first word on the wire
	args string // rest of that line, with its leading blank
	// Of sendmsg alone:
	app, appArg, uuid string
	err               error
}

// Connect starts the conversation. The reply carries the channel's data.
func Connect() Command { return Command{word: "connect"} }

// MyEvents subscribes to the events of this channel alone.
func MyEvents() Command { return Command{word: "myevents"} }

// NoEvents ends what MyEvents began.
func NoEvents() Command { return Command{word: "noevents"} }

// Resume lets the dialplan go on when our control ends.
func Resume() Command { return Command{word: "resume"} }

// Exit ends our control of the channel.
func Exit() Command { return Command{word: "exit"} }

// Linger keeps the socket open for some seconds after a hang-up, so that the
// last events arrive. It refuses a negative number.
func Linger(seconds int) Command {
	c := Command{word: "linger", args: " " + strconv.Itoa(seconds)}
	if seconds < 0 {
		c.err = refuse("linger", "a negative time")
	}
	return c
}

// Filter lets events through whose header has this value. Several filters add
// up. It refuses a header that is empty, holds a blank, or is one of the
// words that make another command of it, and an empty value.
func Filter(header, value string) Command {
	c := Command{word: "filter", args: " " + header + " " + value}
	switch {
	case !oneLine(header) || !oneLine(value):
		c.err = refuse("filter", "a line break or NUL")
	case header == "" || strings.ContainsAny(header, " \t"):
		c.err = refuse("filter", "a header name that is empty or has a blank")
	case strings.EqualFold(header, "delete") || strings.EqualFold(header, "add"):
		c.err = refuse("filter", "a header name that is a command word")
	case strings.Trim(value, " \t") == "":
		c.err = refuse("filter", "an empty value")
	}
	return c
}

// SetVar sets a channel variable through the switch's api, at once, wherever the call
// is by now; an empty value unsets it. The reply is an APIReply, or a CommandError where
// the dialplan's socket lacks the word "full", with the name of the api command as
// Application. It refuses an id or a value with anything but letters, digits and "._@:-",
// and a name that is no word.
func SetVar(uuid, name, value string) Command {
	c := Command{word: "api", args: " uuid_setvar " + uuid + " " + name}
	if value != "" {
		c.args += " " + value
	}
	if uuid == "" || !bare(uuid) || name == "" || !word(name) || !bare(value) {
		c.err = refuse("uuid_setvar", "an id, a name or a value that could mean something else")
	}
	return c
}

// CancelTask ends a task of the switch's scheduler by its number, as SetVar does what it
// does. It refuses what is no number.
func CancelTask(id string) Command {
	c := Command{word: "api", args: " sched_del " + id}
	if id == "" || strings.Trim(id, "0123456789") != "" {
		c.err = refuse("sched_del", "no number")
	}
	return c
}

// GetVar asks for a channel variable as SetVar sets it: an APIReply tells the value.
func GetVar(uuid, name string) Command {
	c := Command{word: "api", args: " uuid_getvar " + uuid + " " + name}
	if uuid == "" || !bare(uuid) || name == "" || !word(name) {
		c.err = refuse("uuid_getvar", "an id or a name that could mean something else")
	}
	return c
}

// Execute runs a dialplan application on the channel. The uuid, if it is not
// empty, comes back as Application-UUID of the CHANNEL_EXECUTE_COMPLETE event.
// It refuses an empty app, and "${" in any argument, which the switch would
// expand, and with it run commands.
func Execute(uuid, app, arg string) Command {
	c := Command{word: "sendmsg", app: app, appArg: arg, uuid: uuid}
	switch {
	case !oneLine(app) || !oneLine(arg) || !oneLine(uuid):
		c.err = refuse("execute", "a line break or NUL")
	case strings.Contains(app, "${") || strings.Contains(arg, "${") || strings.Contains(uuid, "${"):
		c.err = refuse("execute", "an expansion")
	case strings.Trim(app, " \t") == "":
		c.err = refuse("execute", "no application")
	}
	return c
}

// Err says why the command must not be written; nil means it may be. The
// error wraps ErrUnsafe and holds none of the arguments.
func (c Command) Err() error {
	if c.word == "" {
		return refuse("command", "nothing")
	}
	return c.err
}

// Word returns the first word of the command, such as "filter"; that of an
// Execute is "sendmsg".
func (c Command) Word() string { return c.word }

// api returns the name of an api command, "" of any other.
func (c Command) api() string {
	if c.word != "api" {
		return ""
	}
	name, _, _ := strings.Cut(c.args[1:], " ")
	return name
}

// Execution returns what an Execute was made of, and reports whether it is one.
func (c Command) Execution() (uuid, app, arg string, ok bool) {
	return c.uuid, c.app, c.appArg, c.app != ""
}

// AppendCommand appends the command to dst as it goes over the wire. It
// returns dst as it was, and an error, for a command that must not be written.
func AppendCommand(dst []byte, c Command) ([]byte, error) {
	if err := c.Err(); err != nil {
		return dst, err
	}
	dst = append(dst, c.word...)
	dst = append(dst, c.args...)
	if c.app != "" {
		dst = append(dst, "\ncall-command: execute\nexecute-app-name: "...)
		dst = append(dst, c.app...)
		dst = append(dst, "\nexecute-app-arg: "...)
		dst = append(dst, c.appArg...)
		if c.uuid != "" {
			dst = append(dst, "\nEvent-UUID: "...)
			dst = append(dst, c.uuid...)
		}
	}
	return append(dst, "\n\n"...), nil
}

func oneLine(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '\n' || c == '\r' || c == 0 {
			return false
		}
	}
	return true
}

// bare reports whether s can be nothing but one argument of an api command.
func bare(s string) bool {
	for i := range len(s) {
		if c := s[i]; !wordByte(c) && c != '.' && c != '@' && c != ':' && c != '-' {
			return false
		}
	}
	return true
}

func word(s string) bool {
	for i := range len(s) {
		if !wordByte(s[i]) {
			return false
		}
	}
	return true
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func refuse(word, what string) error {
	return fmt.Errorf("esl: %s: %w: %s", word, ErrUnsafe, what)
}
