package config

import (
	"errors"
	"slices"

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
	if !slices.Equal(f.FreeSWITCH.Inbound, old.FreeSWITCH.Inbound) {
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
