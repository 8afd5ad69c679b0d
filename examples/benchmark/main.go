// Command benchmark measures how many calls one deflectd carries, what it adds to a
// call, and what it costs next to a handler written by hand. It prints Markdown tables:
//
//	go run .                     # all of them; some minutes
//	go run . --only latency      # one
//	go run . --quick             # a look at whether it works, no figures to quote
//
// Run it in its folder, on Linux, on a machine that does nothing else. It needs some 10,200
// file descriptors a process (ulimit -n) for 10,000 held calls.
//
// # What is measured
//
// Four subjects serve the same call; three more are deflectd again, with a journal in a file,
// with a Redis, and with Connect to Messaging (C2M) instead of LiveDeflect. deflectd is the project's packages, set up as the
// daemon does it, with metrics, JSON log lines and cooldowns. Two are handlers of the
// kind that one writes in an afternoon, on github.com/fiorix/go-eventsocket and on
// github.com/percipia/eslgo. Those play the same prompts and send the same text, signed,
// through net/http; they have no validation, no breaker, no cooldown, no metrics and no log, and
// do not care who connects. They use their library as it is meant to be used: a command, its
// reply, the next command. Only eslgo's own log lines are switched off.
//
// The fourth is the floor: what the task and the machine cost in any case. One goroutine a
// call writes twice, looks for the key in what comes, and sends the same text by hand. Nobody
// could serve calls with it. It is in the tables of CPU and of the way from the key to the
// request; it keeps all that was said, and says nothing before the text is sent, so that it is
// the floor of neither memory nor the next command.
//
// Each subject runs in a child process with one core (--cores), so that CPU time and memory
// are its own. This process plays the switch, with the recorded frames of a real
// FreeSWITCH (events of 7 KB, each in a write of its own), and both APIs. It
// checks what it is told: a call that is not answered, offered, texted and given back in the
// right order fails the run, and so does a call that is texted twice. The
// first requests of every run are judged by the strict double of the API, signature or token included.
//
// Runs are interleaved, each with a new child that was warmed up. A ratio is deflectd's
// figure divided by the other's of the same run; its spread is over the runs. What matters
// are the ratios: figures of time are those of one machine.
//
// # The tables
//
//   - saturation: 64 callers who call again at once. CPU per call is user and system time of
//     the child; calls/s is what one core carries.
//   - latency: at --rate calls a second, whose callers think for 50 ms, from the switch writing
//     the DTMF event to the request at the API, and to the next command at the switch; and
//     to the answer of a bare echo, for comparison.
//   - memory: resident memory and goroutines of calls that wait in the offer, after a
//     garbage collection, less what there was before them. The whole process is this
//     program, with every subject linked in.
//   - load: CPU per call of deflectd at different rates.
//   - core: deflect.Client.Deflect without a phone system, against the request written by hand.
//   - journal: deflectd with a journal in a file of --disk, against deflectd without, at
//     saturation, at --rate and at twice that; and what a sync takes on that disk, which is
//     4 KB appended to a file, then fsync, one after the other while nothing else runs.
//   - fleet: deflectd with the cooldowns of a fleet in a Redis of this machine, against deflectd
//     without, in the same way; what a round trip to Redis takes; what is asked of Redis, counted
//     there; and what a cooldown takes of its memory, of --keys of them. It needs redis-server.
//   - c2m: deflectd that asks Connect to Messaging about each caller before the offer, and
//     for the text after the key, against deflectd with LiveDeflect, in the same way: two
//     requests with a token, against a signed one.
//   - status: the program deflectd, built here, at twice --rate: while its status page is loaded
//     each second and ten pages stay open, against nobody who looks. Both are of one process, in
//     turns of a second that follow one another, so that a ratio compares nothing else; a third
//     turn of each round, in which nobody looks either, tells how much of a ratio is chance. What
//     the pages get is read and thrown away, so that a browser's work is in no figure.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/alecthomas/kong"
)

const description = `Measures what a call costs deflectd, next to handlers written by hand with other event-socket libraries.

Each subject serves calls in a child process of one core; this process plays FreeSWITCH and the APIs.
Prints Markdown tables of medians. A ratio is deflectd's figure divided by the other's of the same run, with its spread over the runs.
Linux only. Close other programs first; 10,000 held calls need some 10,200 file descriptors (ulimit -n).`

// options are what is measured, and how long.
type options struct {
	Only      []string      `enum:"saturation,latency,memory,load,core,journal,fleet,c2m,status" placeholder:"TABLE" help:"Only these tables: saturation, latency, memory, load, core, journal, fleet, c2m, status."`
	Runs      int           `default:"5" help:"Runs of each subject."`
	Calls     int           `default:"4000" help:"Calls of a run at saturation."`
	Time      time.Duration `default:"4s" help:"Length of a run at a fixed rate; for status four times as long, with and without pages."`
	Rate      int           `default:"500" help:"Calls a second for latency."`
	Rates     []int         `default:"50,200,500,1000,2000" help:"Calls a second for load."`
	Held      []int         `default:"1000,10000" help:"Calls that wait in the offer, ascending."`
	Block     int           `default:"2000" help:"Requests of a run for core."`
	Keys      int           `default:"1000000" help:"Cooldowns in Redis for fleet."`
	WarmUp    int           `default:"500" help:"Calls before a run that do not count."`
	Cores     int           `default:"1" help:"Cores of a subject (GOMAXPROCS)."`
	Quick     bool          `help:"One short run of everything, to see whether it works."`
	Profile   string        `type:"path" placeholder:"FILE" help:"Write CPU profiles of the last run, for go tool pprof: FILE for deflectd at saturation, FILE.floor for the floor, and FILE.RATE for deflectd at each rate of load, journal, fleet and c2m, and .journal, .redis or .c2m after that for deflectd with a journal, Redis or C2M."`
	Disk      string        `type:"existingdir" default:"." help:"Folder of the disk that a journal is on, with some MB of room."`
	Recording string        `type:"path" default:"../../adapters/freeswitch/testdata/transcripts/accept.jsonl" help:"The recorded call."`
}

// quick makes everything short, whatever else was asked for.
func (o *options) quick() {
	o.Runs, o.Calls, o.Time, o.Block, o.WarmUp = 1, 100, 100*time.Millisecond, 100, 40
	o.Held, o.Keys = []int{50, 100}, 1000
}

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// run is main; it returns the exit code: 0, 1 for what went wrong, 2 for usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 4 && args[0] == childCommand {
		return code(serveChild(ctx, args[1], args[2], args[3], os.Stdin, stdout), stderr)
	}
	var o options
	exited := -1
	parser, err := kong.New(&o,
		kong.Name("benchmark"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
	)
	if err != nil {
		return code(err, stderr)
	}
	_, err = parser.Parse(args)
	if exited >= 0 {
		return exited // help
	}
	if err == nil {
		err = o.check()
	}
	if err != nil {
		fmt.Fprintf(stderr, "benchmark: %v (see --help)\n", err)
		return 2
	}
	// The switch and the API share the machine with the subject.
	debug.SetGCPercent(400)
	runtime.GOMAXPROCS(max(1, runtime.NumCPU()-o.Cores))
	return code(bench(ctx, o, stdout, stderr), stderr)
}

// childCommand is how this program calls itself: child SUBJECT API STORE.
const childCommand = "child"

func code(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "benchmark:", err)
	return 1
}

func (o *options) check() error {
	if o.Quick {
		o.quick()
	}
	for _, v := range []struct {
		name  string
		value int
	}{
		{"runs", o.Runs}, {"calls", o.Calls}, {"rate", o.Rate}, {"block", o.Block}, {"warm-up", o.WarmUp}, {"cores", o.Cores}, {"keys", o.Keys},
	} {
		if v.value < 1 {
			return fmt.Errorf("--%s must be positive", v.name)
		}
	}
	if o.Time <= 0 {
		return fmt.Errorf("--time must be positive")
	}
	for _, r := range o.Rates {
		if r < 1 {
			return fmt.Errorf("--rates must be positive")
		}
	}
	before := 0
	for _, n := range o.Held {
		if n <= before {
			return fmt.Errorf("--held must be positive and ascending")
		}
		before = n
	}
	return nil
}
