package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	_ "time/tzdata" // opening hours, also where the system has no zones

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// File is a configuration file: read, checked, and with its defaults filled in.
type File struct {
	Name string // as it was given to Load

	Deflect     deflect.Config            // Backend, Logger and Registerer are for the daemon to set
	LiveDeflect livedeflect.Config        // Transport, Logger and Registerer are for the daemon to set; see Speaks
	C2M         *c2m.Config               // likewise, with Rate and with Domains for WithDomains; nil without its section
	Funnel      funnel.LiveConfig         // likewise; the report is not polled where Every is 0
	Domains     *liveperson.DomainsConfig // who is asked for hosts that it does not name, see WithDomains; nil for nobody. Store and the like are for the daemon to set
	Shifts      *liveperson.ShiftsConfig  // who is asked whether agents are on shift, see WithShifts; nil for nobody
	APIs        []string                  // by which one texts are sent, of each profile
	FreeSWITCH  freeswitch.Config         // Client, Logger and Registerer are for the daemon to set

	StateDir       string // folder of the journal; "" for none
	OutboundListen string // where FreeSWITCH's socket application connects to
	HTTPListen     string // metrics, health and readiness
	NoStatus       bool   // no page of how it is on that port
	Pprof          bool   // profiles of Go, on the same port
	Log            Log

	// Fleet is what several daemons share, nil without redis; Local, Logger and Registerer
	// are for the daemon to set, and lists of the fleet for WithOptOuts. FleetErr is why a
	// File of LoadKeyless cannot be used to ask it: a secret that cannot be read.
	Fleet     *fleet.Config
	FleetErr  error
	AwayLocal bool   // while Redis is away, each daemon goes by its own memory
	KeyFile   string // of the fleet, absolute

	// Lists are the do-not-text lists of the profiles, each once, for the daemon to watch.
	Lists []*donottext.File
	// Texts are what the texts of the profiles cost.
	Texts []Text

	// Warnings are what works but should not stay, or was hardly meant: a secret that
	// every user of the machine can read, a text that YAML cut short.
	Warnings []Problem

	secrets   secrets
	redis     redis
	c2m       c2m.Config // what its section says, for C2M
	hosts     hosts
	shifts    []shift  // of each profile
	doNotText []string // file of the do-not-text list of each profile, "" without
	optOuts   []string // name of its list in Redis, "" without
	traced    []bool   // whether its calls are traced
}

// Log says what is logged and how.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // json or text
}

// What a file without these keys listens on and logs.
const (
	defaultOutboundListen = "127.0.0.1:8084"
	defaultHTTPListen     = "127.0.0.1:9180"
	defaultLogLevel       = "info"
	defaultLogFormat      = "json"
)

const maxFileBytes = 16 << 20

// Load reads and checks a file; getenv is os.Getenv. Names of secret files are
// relative to the directory of the file. The error is an [*Error]; the File then
// holds nothing but its name, its warnings and, of a file that can be read, HTTPListen.
func Load(name string, getenv func(string) string) (File, error) {
	return loadFrom(name, source{getenv: getenv, readFile: readSecretFile})
}

// LoadKeyless is Load for who sends nothing: secrets are not read, nor missed. The API and
// the switches refuse what such a File says to them. Those of Redis are read where that can
// be, see FleetErr.
func LoadKeyless(name string, getenv func(string) string) (File, error) {
	return loadFrom(name, source{getenv: getenv, keyless: true})
}

func loadFrom(name string, src source) (File, error) {
	data, err := readFile(name)
	if err != nil {
		return File{Name: name}, unreadable(name, err)
	}
	if src.dir, err = filepath.Abs(filepath.Dir(name)); err != nil {
		return File{Name: name}, unreadable(name, err)
	}
	return parse(name, data, src)
}

// Parse is Load for a file that is in memory. Names of secret files are relative
// to the working directory.
func Parse(name string, data []byte, getenv func(string) string) (File, error) {
	return parse(name, data, source{getenv: getenv, readFile: readSecretFile})
}

// readFile reads no more than what is refused for its size: a device has no end.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

func unreadable(name string, err error) error {
	return &Error{File: name, Problems: []Problem{{Text: "cannot be read: " + cause(err)}}}
}

// cause leaves out the operation and the name that a file error repeats.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}

func parse(name string, data []byte, src source) (File, error) {
	f := defaults()
	f.Name = name
	d := &decoder{lines: map[string]int{}}
	if root := d.document(data); root != nil {
		section(f.rows()...).read(d, root, "")
		if d.left > 0 {
			f.finish(d, src)
		}
		f.Warnings = d.doubts()
	}
	if d.more > 0 {
		last := inOrder(d.problems)[len(d.problems)-1].Line
		d.problems = append(d.problems, Problem{Line: last, Text: fmt.Sprintf("and %d problems more: mend these first", d.more)})
	}
	if len(d.problems) > 0 {
		return File{Name: name, Warnings: f.Warnings, HTTPListen: f.HTTPListen}, &Error{File: name, Problems: inOrder(d.problems)}
	}
	return f, nil
}

// defaults is a file without a key.
func defaults() File {
	f := File{
		Deflect:        deflect.DefaultConfig(),
		LiveDeflect:    livedeflect.DefaultConfig(),
		Funnel:         funnel.LiveConfig{Lookback: time.Hour},
		FreeSWITCH:     freeswitch.DefaultConfig(),
		OutboundListen: defaultOutboundListen,
		HTTPListen:     defaultHTTPListen,
		Log:            Log{Level: defaultLogLevel, Format: defaultLogFormat},
		redis:          defaultRedis(),
		c2m:            c2m.DefaultConfig(),
		secrets:        secrets{c2m: access{bearer: true}},
	}
	f.Deflect.Logger, f.LiveDeflect.Logger, f.c2m.Logger, f.FreeSWITCH.Logger = nil, nil, nil, nil
	return f
}

// sample is a file with every list begun, and with the defaults of all that is in them.
func sample() *File {
	f := defaults()
	f.FreeSWITCH.Inbound = make([]freeswitch.Switch, 1)
	f.FreeSWITCH.Profiles = []freeswitch.Profile{freeswitch.Profile{}.WithDefaults(f.FreeSWITCH.Sounds)}
	f.secrets.live.given, f.secrets.c2m.given = true, true
	f.APIs, f.shifts = []string{LiveDeflect}, make([]shift, 1)
	f.secrets.switches, f.doNotText, f.optOuts, f.traced = make([]origin, 1), make([]string, 1), make([]string, 1), make([]bool, 1)
	return &f
}

// finish reads what the file refers to, checks the whole, and fills in the defaults of the
// profiles.
func (f *File) finish(d *decoder, src source) {
	f.finishAPIs(d, src)
	f.finishProfiles(d)
	f.readPasswords(d, src)
	f.openLists(d, src)
	f.finishRedis(d, src)
	if f.StateDir != "" {
		f.StateDir = src.path(f.StateDir)
	}
	f.check(d)
	f.checkZones(d)
}

// Profile returns the profile that serves callers of a dialled number, as the
// daemon picks it when the channel names none: of those that split the calls of a number the
// one that has the call of an id.
func (f File) Profile(dialed phone.Number, callID string) (freeswitch.Profile, bool) {
	return freeswitch.FindProfile(f.FreeSWITCH.Profiles, dialed, f.Deflect.DefaultRegion, callID)
}

// Policies returns the rules of the profiles, by which texts go out that waited, and by whose
// names calls are counted.
func (f File) Policies() ([]*deflect.Policy, error) {
	var all []*deflect.Policy
	for _, p := range f.FreeSWITCH.Profiles {
		policy, err := deflect.NewPolicy(p.Name, p.Rules)
		if err != nil {
			return nil, err
		}
		all = append(all, policy)
	}
	return all, nil
}

// Traced returns the names of the profiles whose calls are traced.
func (f File) Traced() (names []string) {
	for i, p := range f.FreeSWITCH.Profiles {
		if i < len(f.traced) && f.traced[i] {
			names = append(names, p.Name)
		}
	}
	return names
}

// Cooldown returns for how long a profile texts nobody twice; 0 where it has none.
func (f File) Cooldown(profile string) time.Duration {
	for _, p := range f.FreeSWITCH.Profiles {
		if p.Name == profile && !p.NoCooldown {
			return p.Cooldown
		}
	}
	return 0
}
