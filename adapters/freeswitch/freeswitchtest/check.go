package freeswitchtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Check tells what is wrong with one command to FreeSWITCH, without the empty
// line that ends it. Nothing means that it is accepted and does no harm.
func Check(text string) []string {
	found, c := checkForm(text)
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	if c.verb != "sendmsg" && len(c.fields) > 0 {
		add("%s with more than one line", c.verb)
	}
	switch c.verb {
	case "connect", "resume", "exit", "getvar", "nolinger", "noevents", "nolog", "log", "divert_events":
	case "myevents":
		if c.rest != "" && c.rest != "plain" {
			add("events in the form %q", c.rest)
		}
	case "linger":
		if _, err := strconv.ParseUint(c.rest, 10, 31); err != nil && c.rest != "" {
			add("linger for %q seconds", c.rest)
		}
	case "filter":
		if len(strings.Fields(c.rest)) < 2 {
			add("filter without a header and a value")
		}
	case "event":
		add("event subscribes to all calls of the switch: use myevents")
	case "api", "bgapi":
		name, _, _ := strings.Cut(c.rest, " ")
		if !slices.Contains(apiCommands, name) {
			add("unknown api command %q", name)
		}
	case "sendmsg":
		checkMessage(c, add)
	default:
		add("unknown command %q", c.verb)
	}
	return found
}

// checkForm tells what no command may have, on whatever socket.
func checkForm(text string) ([]string, command) {
	var found []string
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r < ' ' || r == 0x7f }); i >= 0 {
		found = append(found, fmt.Sprintf("control character %q", text[i]))
	}
	for _, e := range expansions(text) {
		found = append(found, "the switch would expand "+e)
	}
	return found, parseCommand(text)
}

var messageFields = []string{
	"call-command", "execute-app-name", "execute-app-arg", "event-uuid", "event-uuid-name", "event-lock",
	"loops", "async", "hangup-cause", "content-type", "content-length",
}

func checkMessage(c command, add func(string, ...any)) {
	for i, f := range c.fields {
		if !slices.Contains(messageFields, f.name) {
			add("sendmsg with the unknown header %q", f.name)
		}
		if slices.ContainsFunc(c.fields[:i], func(o field) bool { return o.name == f.name }) {
			add("sendmsg with two headers %q", f.name)
		}
	}
	switch call := c.get("call-command"); call {
	case "hangup":
	case "execute":
		app, arg := c.application()
		checkApplication(app, arg, add)
	default:
		add("unknown call-command %q", call)
	}
}

func checkApplication(app, arg string, add func(string, ...any)) {
	scoped := &execution{app: app, arg: arg}
	scoped.scope()
	arg = scoped.arg
	switch {
	case !slices.Contains(applications, app):
		add("unknown application %q: the switch hangs up", app)
	case app == "set" || app == "multiset":
		for _, a := range assignments(app, arg) {
			if name, _, ok := strings.Cut(a, "="); !ok || !goodName(name) {
				add("%s does not set a variable with %q", app, a)
			}
		}
	case app == "playback" && arg == "":
		add("playback of nothing")
	case app == "say":
		if words := strings.Fields(arg); len(words) != 4 && len(words) != 5 {
			add("say with %q: module, type, method, perhaps a gender, and what to say", arg)
		}
	case app == "sleep":
		if _, err := strconv.ParseUint(arg, 10, 31); err != nil {
			add("sleep for %q milliseconds", arg)
		}
	}
}

// applications are those that are played. FreeSWITCH has many more; a peer
// that wants another one is told so, and its caller is hung up.
var applications = []string{"answer", "break", "flush_dtmf", "hangup", "sched_cancel", "log", "multiset", "playback", "say", "set", "sleep", "unset"}

var apiCommands = []string{
	"sched_del",
	"uuid_dump", "uuid_exists", "uuid_getvar", "uuid_kill", "uuid_setvar", "uuid_setvar_multi", "uuid_transfer",
}

// expansions gives each ${...} of a text.
func expansions(text string) []string {
	var found []string
	for {
		_, rest, ok := strings.Cut(text, "${")
		if !ok {
			return found
		}
		inner, _, _ := strings.Cut(rest, "}")
		found = append(found, "${"+inner+"}")
		text = rest
	}
}
