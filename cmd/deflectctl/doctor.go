package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/doctor"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

type doctorCmd struct {
	Config string   `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration of deflectd."`
	Switch []string `placeholder:"ADDRESS" help:"Event socket of a switch that hands calls over, such as 127.0.0.1:8021, with its password in ${switch_password}; repeat it for more."`
	JSON   bool     `name:"json" help:"Print all as one JSON object."`
	portFlags
}

// switchPasswordEnv is the password of the switches of --switch.
const switchPasswordEnv = "DEFLECT_FREESWITCH_PASSWORD"

// Help is shown below the usage.
func (doctorCmd) Help() string {
	return `Looks at everything that deflectd needs, on the machine that it runs on, and says what to do: the configuration and
its secrets, the way to the API, its certificate, the clock, whether the API takes the keys (by the report of one second),
ports, the deflectd that runs, who may hand calls over, open files, the journal, the disk, Redis, and at each switch the event socket, the dialplan,
the prompts and the keys. It sends no text, and changes nothing at a switch. Switches are those of freeswitch.inbound, and
those of --switch. Run it as the user of deflectd or as root, with the environment of deflectd. Half a minute at most.

Exit code 0: all good, or warnings. 1: something is bad. 2: usage.

  deflectctl doctor --config deflectd.yaml
  DEFLECT_FREESWITCH_PASSWORD=... deflectctl doctor --config deflectd.yaml --switch 127.0.0.1:8021`
}

// Run looks at all.
func (c *doctorCmd) Run(a *app) error {
	o := doctor.Options{Config: c.Config, Getenv: a.getenv, HTTPConfig: c.HTTPConfig}
	for _, addr := range c.Switch {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return usage("--switch %q is no address of an event socket: write HOST:PORT, such as 127.0.0.1:8021", addr)
		}
		password := a.getenv(switchPasswordEnv)
		if strings.TrimSpace(password) == "" {
			return usage("--switch needs the password of its event socket in %s", switchPasswordEnv)
		}
		o.Switches = append(o.Switches, freeswitch.Switch{Name: addr, Address: addr, Password: deflect.NewSecret(password)})
	}
	found := doctor.Examine(a.ctx, o)
	if a.ctx.Err() != nil {
		return errors.New("stopped: what was not looked at is not known")
	}
	worst := doctor.Worst(found)
	var err error
	if c.JSON {
		err = printJSON(a.stdout, struct {
			Config   string           `json:"config"`
			Level    doctor.Level     `json:"level"`
			Findings []doctor.Finding `json:"findings"`
		}{c.Config, worst, found})
	} else {
		_, err = io.WriteString(a.stdout, doctorText(found))
	}
	if err == nil && worst == doctor.Bad {
		return &exit{code: exitFailed}
	}
	return err
}

// doctorText tells what was found: one line each, and below it what to do.
func doctorText(found []doctor.Finding) string {
	levels, checks := 0, 0
	count := map[doctor.Level]int{}
	for _, f := range found {
		levels, checks = max(levels, len(f.Level.String())), max(checks, len(f.Check))
		count[f.Level]++
	}
	var b strings.Builder
	indent, said := strings.Repeat(" ", levels+2), map[string]bool{"": true}
	for _, f := range found {
		level := f.Level.String()
		if f.Level >= doctor.Warning {
			level = strings.ToUpper(level) // to be found by who scrolls
		}
		fmt.Fprintf(&b, "%-*s  %-*s  %s\n", levels, level, checks, f.Check, visible(f.Text, 1000))
		if !said[f.Do] {
			fmt.Fprintf(&b, "%s-> %s\n", indent, visible(f.Do, 1000))
		}
		said[f.Do] = true
	}
	fmt.Fprintf(&b, "\n%d bad, %s, %d not looked at, %d good.", count[doctor.Bad], plural(count[doctor.Warning], "warning"), count[doctor.Skipped], count[doctor.Good])
	switch doctor.Worst(found) {
	case doctor.Bad:
		b.WriteString(" Mend what is bad first, from the top: what is below may follow from it.\n")
	default:
		b.WriteString(" Whether a switch reaches deflectd shows a call alone.\n")
	}
	return b.String()
}
