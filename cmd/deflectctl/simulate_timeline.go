package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

// together is how long variables that are set in a row are one thing to tell: a frame.
const together = 20 * time.Millisecond

// tidied is a timeline that has variables which change together in one line, and not
// those which keep their values: deflectd sets all of them each time.
func tidied(timeline []freeswitchtest.Entry, call freeswitchtest.Call) []freeswitchtest.Entry {
	vars := map[string]string{}
	maps.Copy(vars, call.Vars)
	if call.SocketResume {
		vars["socket_resume"] = "true"
	}
	var tidy []freeswitchtest.Entry
	for len(timeline) > 0 {
		first := timeline[0]
		before, n := maps.Clone(vars), 0
		for n < len(timeline) && timeline[n].At-first.At < together && assign(vars, timeline[n].Text) {
			n++
		}
		if n == 0 {
			tidy, timeline = append(tidy, first), timeline[1:]
			continue
		}
		for _, text := range changes(before, vars) {
			tidy = append(tidy, freeswitchtest.Entry{At: first.At, Text: text})
		}
		timeline = timeline[n:]
	}
	return tidy
}

// assign does what an entry tells of variables, and reports whether it tells of any.
func assign(vars map[string]string, text string) bool {
	verb, rest, _ := strings.Cut(text, " ")
	name, value, _ := strings.Cut(rest, "=")
	switch verb {
	case "sets":
		vars[name] = value
	case "unsets":
		delete(vars, name)
	default:
		return false
	}
	return true
}

// changes tells what is different after.
func changes(before, after map[string]string) []string {
	var sets, unsets string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if value, was := before[name]; !was || value != after[name] {
			sets += " " + name + "=" + after[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, is := after[name]; !is {
			unsets += " " + name
		}
	}
	var all []string
	if sets != "" {
		all = append(all, "sets"+sets)
	}
	if unsets != "" {
		all = append(all, "unsets"+unsets)
	}
	return all
}
