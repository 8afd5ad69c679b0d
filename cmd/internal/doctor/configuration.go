package doctor

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// load reads the configuration. What is wrong with secrets alone does not keep the rest
// from being looked at.
func (e *exam) load() {
	full, err := config.Load(e.Config, e.Getenv)
	keyless, without := config.LoadKeyless(e.Config, e.Getenv)
	e.file, e.loaded, e.keyed = full, without == nil, err == nil
	if !e.keyed {
		e.file = keyless
	}
	know := map[config.Problem]bool{}
	of := &e.about.configuration
	tell := func(level Level, problems []config.Problem) {
		for _, p := range problems {
			if !know[p] {
				know[p] = true
				*of = append(*of, e.problem(level, p))
			}
		}
	}
	tell(Bad, problems(without))
	tell(Warning, keyless.Warnings)
	of = &e.about.secrets
	if e.loaded {
		tell(Bad, problems(err))
	}
	tell(Warning, full.Warnings)
}

func problems(err error) []config.Problem {
	if bad, ok := errors.AsType[*config.Error](err); ok {
		return bad.Problems
	}
	if err != nil {
		return []config.Problem{{Text: err.Error()}}
	}
	return nil
}

// problem tells what is wrong, and what to do, which its text says after a colon.
func (e *exam) problem(level Level, p config.Problem) Finding {
	f := Finding{Level: level, Do: "correct it; what a key may be: deflectctl config --reference"}
	what, do, told := strings.Cut(p.Text, ": ")
	switch {
	case strings.HasPrefix(p.Text, "cannot be read: "):
		f.Do = "correct the name, or make the file; the user of deflectd must be able to read it"
	case told && strings.HasSuffix(what, "; known here"):
		p.Text, f.Do = strings.TrimSuffix(what, "; known here"), "correct it; known here are "+do
	case told:
		p.Text, f.Do = what, do
	}
	f.Text = config.Located(e.Config, p)
	return f
}

// configuration is about the file.
func (e *exam) configuration(context.Context) []Finding {
	if len(e.about.configuration) > 0 {
		return e.about.configuration
	}
	of := []string{plural(len(e.file.FreeSWITCH.Profiles), "profile")}
	if n := len(e.file.FreeSWITCH.Inbound); n > 0 {
		of = append(of, plural(n, "switch")+" to watch")
	}
	if n := len(e.file.Lists); n > 0 {
		of = append(of, plural(n, "do-not-text list"))
	}
	return good("%s: %s", e.Config, strings.Join(of, ", "))
}

// secrets is about the keys of the API, the passwords of switches and of Redis.
func (e *exam) secrets(context.Context) []Finding {
	switch {
	case !e.loaded:
		return append(slices.Clip(e.about.secrets), e.unread()...)
	case len(e.about.secrets) > 0:
		return e.about.secrets
	case os.Geteuid() == 0:
		return good("all are there (read as root: the user of deflectd has to be able to as well)")
	}
	return good("all are there, and read by this user alone or its group")
}
