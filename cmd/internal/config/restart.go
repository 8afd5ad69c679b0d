package config

import (
	"errors"
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Follows reports whether a daemon that runs with the configuration old can go on
// with f. The error is an [*Error] with every setting that needs a restart.
func (f File) Follows(old File) error {
	var changed []Problem
	restart := func(path string) {
		changed = append(changed, Problem{Path: path, Text: "was changed, which needs a restart"})
	}
	for _, err := range leaves(f.Deflect.Follows(old.Deflect)) {
		var c *deflect.ConfigError
		if errors.As(err, &c) {
			restart(keyOf(c.Field))
		}
	}
	if f.OutboundListen != old.OutboundListen {
		restart("freeswitch.outbound.listen")
	}
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
	if f.HTTPListen != old.HTTPListen {
		restart("http.listen")
	}
	if f.Log.Format != old.Log.Format {
		restart("log.format")
	}
	if len(changed) == 0 {
		return nil
	}
	return &Error{File: f.Name, Problems: changed}
}
