package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

type checkCmd struct {
	File   string `arg:"" optional:"" placeholder:"FILE" help:"Configuration of deflectd."`
	Config string `placeholder:"FILE" help:"The same, as for the other commands."`
	As     string `enum:"c2m," default:"" placeholder:"API" help:"Tell instead what is missing and what changes with another API, c2m, in place of livedeflect."`
}

// Help is shown below the usage.
func (checkCmd) Help() string {
	return `Prints every problem with its line and key on standard error and exits with 2. A configuration without problems is
printed with every default filled in; it can be loaded again. Secrets are read, but not shown. Nothing is contacted but the
Redis of a fleet, to tell what of it endangers that a caller is texted once; where it does not answer, that is a warning.

With --as c2m the file is not printed: what a section c2m in place of livedeflect needs and what becomes of each key is, and
the exit code is 1 while something is missing. LiveDeflect's secrets need not be here. Nothing is contacted and nothing is
changed.`
}

// Run checks a configuration.
func (c *checkCmd) Run(a *app) error {
	name := cmp.Or(c.File, c.Config, a.getenv("DEFLECT_CONFIG"))
	switch {
	case name == "":
		return usage("check what? Name the configuration: deflectctl check FILE")
	case c.File != "" && c.Config != "":
		return usage("FILE and --config are both given: keep one")
	}
	if c.As != "" {
		return checkMove(a, name)
	}
	file, err := loadConfig(a, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "# %s is in order.\n", name)
	for _, t := range file.Texts {
		fmt.Fprintf(a.stdout, "# %s: %s\n", t.Path, t)
	}
	for _, l := range file.Lists {
		fmt.Fprintf(a.stdout, "# %s: %d entries\n", l.Name(), l.Len())
	}
	if short := daemon.ShareDescriptors(file).Short(); short != "" {
		fmt.Fprintf(a.stdout, "# freeswitch.outbound.max_calls: started from here, deflectd serves %s\n", short)
	}
	if file.StateDir == "" {
		fmt.Fprint(a.stdout, "# state.dir: is not set. After a restart callers can be texted again within their cooldown, and a text in doubt stays so.\n")
	} else if is, wrong := state.Folder(file.StateDir); wrong != "" {
		fmt.Fprintf(a.stderr, "warning: %s: state.dir: %s %s\n", name, file.StateDir, wrong)
	} else {
		fmt.Fprintf(a.stdout, "# state.dir: %s %s\n", file.StateDir, is)
	}
	checkFleet(a, file)
	fmt.Fprintf(a.stdout, "# With every default filled in:\n%s", file.Effective())
	return nil
}

// checkMove tells what becomes of a file with Connect to Messaging. The secrets of what goes
// are not missed: they may be on another machine.
func checkMove(a *app, name string) error {
	file, err := config.LoadKeyless(name, a.getenv)
	if err == nil && file.Speaks(config.C2M) {
		file, err = config.Load(name, a.getenv)
	}
	if file, err = told(a, name, file, err); err != nil {
		return err
	}
	steps, err := file.ToC2M(a.getenv)
	if err != nil {
		return usage("%w", err)
	}
	missing := 0
	fmt.Fprintf(a.stdout, "# %s with a section %s in place of %s:\n", name, config.C2M, config.LiveDeflect)
	for _, s := range steps {
		if s.Missing {
			missing++
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", s.Path, s.Text)
	}
	fmt.Fprint(a.stdout, "# Everything else stays as it is.\n")
	switch missing {
	case 0:
		return nil
	case 1:
		return &exit{exitFailed, errors.New("1 of these is missing, or cannot stay")}
	}
	return &exit{exitFailed, fmt.Errorf("%d of these are missing, or cannot stay", missing)}
}

// loadConfig reads a configuration; problems and warnings go to stderr.
func loadConfig(a *app, name string) (config.File, error) {
	file, err := config.Load(name, a.getenv)
	return told(a, name, file, err)
}

// loadKeyless is loadConfig for commands that need no secret.
func loadKeyless(a *app, name string) (config.File, error) {
	file, err := config.LoadKeyless(name, a.getenv)
	return told(a, name, file, err)
}

func told(a *app, name string, file config.File, err error) (config.File, error) {
	for _, w := range file.Warnings {
		fmt.Fprintln(a.stderr, "warning:", config.Located(name, w))
	}
	var bad *config.Error
	if errors.As(err, &bad) {
		fmt.Fprintln(a.stderr, bad)
		noun := "problems"
		if len(bad.Problems) == 1 {
			noun = "problem"
		}
		return file, usage("%d %s in the configuration", len(bad.Problems), noun)
	}
	return file, err
}
