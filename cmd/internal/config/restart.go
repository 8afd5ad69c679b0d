package config

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Follows reports whether a daemon that runs with the configuration old can go on
// with f. The error is an [*Error] with every setting that needs a restart.
func (f File) Follows(old File) error {
	var changed []Problem
	restart := func(path string) {
		changed = append(changed, Problem{Path: path, Text: "was changed, which needs a restart"})
	}
	// The library knows best, which runs on.
	var api error
	for _, section := range []string{LiveDeflect, C2M} {
		switch {
		case f.Speaks(section) != old.Speaks(section):
			restart(section)
		case !f.Speaks(section):
		case section == C2M:
			api = errors.Join(api, inSection("C2M", f.C2M.Follows(*old.C2M)))
		default:
			api = errors.Join(api, inSection("LiveDeflect", f.LiveDeflect.Follows(old.LiveDeflect)))
		}
	}
	for _, err := range leaves(errors.Join(api, f.Deflect.Follows(old.Deflect))) {
		var c *deflect.ConfigError
		switch {
		case !errors.As(err, &c):
		case c.Field == "MaxTextLength": // of both
			for _, section := range f.apis() {
				restart(section + ".max_text_length")
			}
		default:
			restart(keyOf(c.Field))
		}
	}
	if (f.Funnel.Every > 0) != (old.Funnel.Every > 0) {
		restart("report.every")
	}
	was := map[string]*yaml.Node{}
	walk(old.rows(), "", func(path string, r row) { was[path] = r.value.print() })
	walk(f.rows(), "", func(path string, r row) {
		switch {
		case path == "freeswitch.inbound":
			f.followsInbound(old, restart)
		case path == "redis":
			if !f.followsRedis(&old) {
				restart(path)
			}
		case r.field == "" && r.value.restart == onChange && printed(r.value.print()) != printed(was[path]):
			restart(path)
		}
	})
	if len(changed) == 0 {
		return nil
	}
	return &Error{File: f.Name, Problems: changed}
}

func (f File) followsInbound(old File, restart func(path string)) {
	is, was := f.FreeSWITCH.Inbound, old.FreeSWITCH.Inbound
	for i := range is {
		if i < len(was) && is[i].Name == was[i].Name && is[i].Address == was[i].Address {
			if is[i].Password != was[i].Password {
				restart(fmt.Sprintf("freeswitch.inbound[%d].password_file", i))
			}
		} else {
			restart("freeswitch.inbound")
			break
		}
	}
	if len(is) < len(was) {
		restart("freeswitch.inbound")
	}
}

// printed is what a key is printed as, "" for one that is not.
func printed(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return n.Value
}
