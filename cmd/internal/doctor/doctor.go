// Package doctor looks at everything that deflectd needs, before or while it runs, and says
// what is wrong and what to do. It sends no text and changes nothing at a switch.
package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// Level is how well something is. A higher one is worse.
type Level int

// The levels.
const (
	Good    Level = iota
	Skipped       // it could not be looked at from here
	Warning       // it works, and should not stay so
	Bad           // callers get no text, or too many, or are lost
)

var levels = []string{Good: "good", Skipped: "skipped", Warning: "warning", Bad: "bad"}

func (l Level) String() string { return levels[l] }

// MarshalText is its word.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is one line. Its names are API. Text and Do can hold what a switch or the API
// said.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Do    string `json:"do"` // what to do, "" when all is good
}

// Options are who is looked at. Config and Getenv are required.
type Options struct {
	Config string              // name of the file
	Getenv func(string) string // as os.Getenv
	// Switches are looked at beside those of the configuration.
	Switches []freeswitch.Switch

	RootCAs *x509.CertPool // who signs the API's certificate; nil is the system's
	Lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
	// Room tells of a file system how many bytes are free, and what it is where that matters;
	// errors.ErrUnsupported where it is not known.
	Room func(dir string) (free uint64, kind Kind, err error)
	// HTTPConfig says how a deflectd that runs is asked, see [state.Client]; "" is plain HTTP.
	HTTPConfig string
}

// Kind is where a file system keeps what is in it.
type Kind int

// The kinds.
const (
	OnDisk    Kind = iota // or somewhere else that keeps it
	InMemory              // until the machine starts again
	OnNetwork             // at another machine
)

// No check takes longer. They run at the same time.
const longest = 5 * time.Second

// checks are what is looked at, in the order in which it is told.
var checks = []struct {
	name string
	run  func(*exam, context.Context) []Finding
}{
	{"configuration", (*exam).configuration},
	{"secrets", (*exam).secrets},
	{"domains", (*exam).told},
	{"names", (*exam).names},
	{"api", (*exam).reach},
	{"certificate", (*exam).certificate},
	{"clock", (*exam).clock},
	{"credentials", (*exam).credentials},
	{"ports", (*exam).ports},
	{"running", (*exam).ofDaemon},
	{"allow", (*exam).allowed},
	{"files", (*exam).openFiles},
	{"state", (*exam).state},
	{"disk", (*exam).disk},
	{"redis", (*exam).redis},
	{"switch", (*exam).reachSwitches},
	{"event socket", (*exam).eventSockets},
	{"dialplan", (*exam).dialplans},
	{"prompts", (*exam).prompts},
	{"say", (*exam).sayings},
	{"keys", (*exam).keys},
}

// Examine runs all checks and returns what they found, in a fixed order. It takes some
// seconds at most, whoever does not answer.
func Examine(ctx context.Context, o Options) []Finding {
	if o.Lookup == nil {
		o.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if o.Room == nil {
		o.Room = room
	}
	e := read(ctx, o)
	e.places = sync.OnceValue(func() places { return e.findPlaces(ctx) })
	e.visited = sync.OnceValue(func() []visit { return e.visits(ctx) })
	e.running = sync.OnceValue(func() running { return e.askDaemon(ctx) })
	e.first = map[string]func() error{}
	for _, sw := range e.switches() {
		e.first[sw.Address] = sync.OnceValue(func() error {
			ctx, cancel := context.WithTimeout(ctx, longest-time.Second)
			defer cancel()
			s, err := dial(ctx, sw)
			if err == nil {
				s.close()
			}
			return err
		})
	}
	found := make([]chan []Finding, len(checks))
	for i, c := range checks {
		found[i] = make(chan []Finding, 1)
		go func() {
			ctx, cancel := context.WithTimeout(ctx, longest)
			defer cancel()
			found[i] <- c.run(e, ctx)
		}()
	}
	late := time.After(longest + time.Second)
	var all []Finding
	for i, c := range checks {
		var of []Finding
		select {
		case of = <-found[i]:
		default:
			select {
			case of = <-found[i]:
			case <-late:
				late = time.After(0) // for those behind it too
				of = skipped("try again; if it stays so, look at the disk and the network of this machine", "not done within %s", longest)
			}
		}
		for _, f := range of {
			f.Check = c.name
			all = append(all, f)
		}
	}
	return all
}

// read reads the configuration, unless that takes too long: a pipe, or a folder at another
// machine, may have nobody at its other end.
func read(ctx context.Context, o Options) *exam {
	e, done := &exam{Options: o}, make(chan struct{})
	go func() { e.load(); close(done) }()
	select {
	case <-done:
		return e
	case <-ctx.Done():
	case <-time.After(longest):
	}
	none := &exam{Options: o} // the other one may still be read
	none.about.configuration = bad("name files that are on a disk of this machine; a pipe needs somebody who writes to it",
		"%s, or a file that it names, cannot be read within %s", o.Config, longest)
	return none
}

// Worst returns the highest level of all.
func Worst(all []Finding) Level {
	worst := Good
	for _, f := range all {
		worst = max(worst, f.Level)
	}
	return worst
}

// exam is one examination.
type exam struct {
	Options
	file   config.File
	loaded bool // the file is in order but for secrets
	keyed  bool // and so are they
	about  struct{ configuration, secrets []Finding }

	places  func() places
	visited func() []visit // one of each place
	running func() running
	// first dials a switch once, by its address, before all checks of it do: who guesses
	// passwords may be shut out.
	first map[string]func() error
}

// switches are those whose passwords are known.
func (e *exam) switches() []freeswitch.Switch {
	if e.keyed {
		return e.named()
	}
	return e.Switches
}

// named are the switches of the configuration, and those that were named besides.
func (e *exam) named() []freeswitch.Switch {
	all := slices.Clone(e.file.FreeSWITCH.Inbound)
	for _, sw := range e.Switches {
		if !slices.ContainsFunc(all, func(known freeswitch.Switch) bool { return known.Address == sw.Address }) {
			all = append(all, sw)
		}
	}
	return all
}

func good(format string, args ...any) []Finding {
	return []Finding{{Level: Good, Text: fmt.Sprintf(format, args...)}}
}

func skipped(do, format string, args ...any) []Finding {
	return []Finding{{Level: Skipped, Text: fmt.Sprintf(format, args...), Do: do}}
}

func warning(do, format string, args ...any) []Finding {
	return []Finding{{Level: Warning, Text: fmt.Sprintf(format, args...), Do: do}}
}

func bad(do, format string, args ...any) []Finding {
	return []Finding{{Level: Bad, Text: fmt.Sprintf(format, args...), Do: do}}
}

// unread is the answer of a check that needs the configuration.
func (e *exam) unread() []Finding {
	return skipped("mend the configuration first", "the configuration cannot be used")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if noun == "switch" || noun == "address" {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
