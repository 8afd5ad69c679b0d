package freeswitchtest

import (
	"fmt"
	"slices"
	"strings"
)

const invalidUUID = "-ERR invalid uuid\n"

// usage tells how the api commands are to be written.
var usage = map[string]string{
	"uuid_dump":         "<uuid> [format]",
	"uuid_setvar":       "<uuid> <var> [value]",
	"uuid_setvar_multi": "<uuid> <var>=<value>;<var>=<value>...",
	"uuid_broadcast":    "<uuid> <path> [aleg|bleg|holdb|both]",
	"uuid_break":        "<uuid> [all]",
	"uuid_kill":         "<uuid> [cause]",
	"uuid_park":         "<uuid>",
	"uuid_transfer":     "<uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]",
	"show": "codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like <match string>]|" +
		"calls|detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|nat_map|" +
		"say|interfaces|interface_types|tasks|limits|status",
}

// apiLocked answers a command of the switch's api.
func (s *Switch) apiLocked(text string) string {
	name, args, _ := strings.Cut(text, " ")
	verb := strings.ToLower(name)
	var answer string
	switch verb {
	case "uuid_exists":
		return pick(s.calls[args] != nil, "true", "false")
	case "module_exists":
		return pick(slices.Contains(s.Modules, args), "true", "false")
	case "xml_locate":
		return s.locate(args)
	case "show":
		answer = s.showLocked(args)
	case "uuid_setvar_multi":
		answer = s.setMultiLocked(args)
	case "uuid_dump", "uuid_setvar", "uuid_broadcast", "uuid_break", "uuid_kill", "uuid_park", "uuid_transfer":
		answer = s.steerLocked(verb, args)
	default:
		return fmt.Sprintf("-ERR %s Command not found!\n", name)
	}
	if answer == "" {
		return "-ERR no reply\n"
	}
	return answer
}

// apiWords is how many words a command takes. The last one takes the rest.
var apiWords = map[string]struct{ least, most int }{
	"uuid_dump": {1, 2}, "uuid_setvar": {2, 3}, "uuid_broadcast": {2, 4}, "uuid_break": {1, 2},
	"uuid_kill": {1, 2}, "uuid_park": {1, 1}, "uuid_transfer": {2, 5},
}

// steerLocked does what is to be done with one call.
func (s *Switch) steerLocked(verb, args string) string {
	words := separate(args, ' ', apiWords[verb].most)
	if len(words) < apiWords[verb].least {
		return usageOf(verb)
	}
	w := s.calls[words[0]]
	if w == nil {
		return pick(verb == "uuid_broadcast", invalidUUID, noSuchChannel)
	}
	words = append(words, "", "", "", "")
	switch verb {
	case "uuid_dump":
		w.ch.core, w.ch.sequence = s.idLocked(), s.nextLocked()
		if words[1] == "json" {
			return w.ch.dumpJSON()
		}
		return w.ch.dump()
	case "uuid_setvar":
		w.setVarLocked(words[1], words[2])
	case "uuid_broadcast":
		w.broadcastLocked(words[1], words[2])
		return "+OK Message sent\n"
	case "uuid_break":
		w.breakInLocked(words[1])
	case "uuid_kill":
		w.killLocked(words[1])
	case "uuid_park":
		w.atLocked(frameTime, w.putAsideLocked)
	case "uuid_transfer":
		w.transferToLocked(words[1], words[2], words[3])
	}
	return "+OK\n"
}

// setMultiLocked sets several variables of one call.
func (s *Switch) setMultiLocked(args string) string {
	const verb = "uuid_setvar_multi"
	id, list, ok := strings.Cut(args, " ")
	w := s.calls[id]
	switch {
	case args == "":
		return usageOf(verb)
	case !ok:
		return ""
	case w == nil:
		return noSuchChannel + usageOf(verb)
	}
	answer, set := "", false
	for _, a := range assignments(verb, list) {
		name, value, _ := strings.Cut(a, "=")
		if name == "" {
			answer += "-ERR No variable specified\n"
			continue
		}
		w.setVarLocked(name, value)
		set = true
	}
	if set {
		return answer + "+OK\n"
	}
	return answer + usageOf(verb)
}

func usageOf(verb string) string { return "-USAGE: " + usage[verb] + "\n" }

// locate gives a context of the dialplan.
func (s *Switch) locate(args string) string {
	name, ok := strings.CutPrefix(args, "dialplan context name ")
	inside := `<extension name="any"><condition field="destination_number" expression="^.*$"/></extension>`
	if s.Contexts != nil {
		inside, ok = s.Contexts[name], ok && s.Contexts[name] != ""
	}
	if !ok {
		return "can't find anything\n"
	}
	return fmt.Sprintf("<context name=%q>\n%s\n</context>\n", name, inside)
}
