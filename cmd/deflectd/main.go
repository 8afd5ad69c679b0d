// Command deflectd offers a text to callers that FreeSWITCH's dialplan hands
// over through the event socket, and asks LivePerson to send it, by LiveDeflect or Connect to Messaging.
//
//	deflectd --config /etc/deflectd/deflectd.yaml
//
// SIGHUP loads the configuration anew; a bad one is refused and the old one stays.
// SIGTERM or SIGINT stops accepting calls and lets live ones end; a second one
// gives live calls back to the dialplan at once. Within 100 ms of the first, it is the
// same one sent twice. While the configuration is still read, at the start, the first ends
// the process. Exit codes: 0 stopped as told, 1 could not run, 2 usage or configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
)

const (
	exitRuntime = 1
	exitUsage   = 2
)

type flags struct {
	Config    string           `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration to run; 'deflectctl check FILE' explains one."`
	WebConfig string           `name:"web.config.file" placeholder:"FILE" help:"TLS and passwords of the HTTP port, as Prometheus' exporters have them."`
	Version   kong.VersionFlag `help:"Print the version and exit."`
}

const description = `Offers a text to callers that FreeSWITCH hands over, and asks LivePerson to send it.

SIGHUP, or POST /-/reload from this machine, loads the configuration anew; a bad one is refused and the old one stays.
The first SIGTERM or SIGINT drains: no new calls, live ones go on. The second, unless it comes within 100 ms, gives live calls back to the dialplan at once.
Exit codes: 0 stopped as told, 1 could not run, 2 usage or configuration.`

func main() {
	// A log whose reader has died is no reason to end.
	signal.Ignore(syscall.SIGPIPE)
	// None of a kind can crowd out the other: two are enough to stop, and one to
	// reload what changed since the last reload began.
	stop, reload := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	signal.Notify(reload, syscall.SIGHUP)
	os.Exit(run(os.Args[1:], signals{stop, reload}, os.Stdout, os.Stderr))
}

// signals are what the process is told.
type signals struct{ stop, reload <-chan os.Signal }

func run(args []string, told signals, stdout, stderr io.Writer) int {
	queue := daemon.NewLogQueue(stderr)
	defer queue.Close()
	var f flags
	exited := -1
	shown := daemon.NewOutput(stdout)
	parser, err := kong.New(&f,
		kong.Name("deflectd"), kong.Description(description),
		kong.Vars{"version": "deflectd " + daemon.ReadBuild().String()},
		kong.Writers(shown, queue), kong.Exit(func(code int) { exited = code }),
	)
	if err != nil {
		fmt.Fprintln(queue, "deflectd:", err)
		return exitRuntime
	}
	if len(args) == 1 && (args[0] == "help" || args[0] == "version") {
		args = []string{"--" + args[0]} // as deflectctl has them
	}
	_, err = parser.Parse(args)
	if err := shown.Err(); err != nil {
		fmt.Fprintln(queue, "deflectd: standard output cannot be written:", err)
		return exitRuntime
	}
	if exited >= 0 {
		return exited // help or version
	}
	if err != nil {
		fmt.Fprintf(queue, "deflectd: %v (see deflectd --help)\n", err)
		return exitUsage
	}
	return serve(f, told, queue)
}

func serve(f flags, told signals, queue *daemon.LogQueue) int {
	// Files may be long or hang, and so may the look-up of an address.
	type started struct {
		d    *daemon.Daemon
		code int
	}
	ready := make(chan started, 1)
	inherited, err := daemon.Inherit()
	if err != nil {
		inherited.Refuse()
		fmt.Fprintln(queue, "deflectd: not started:", err)
		return exitRuntime
	}
	go func() {
		d, code := start(f, inherited, queue)
		if d == nil {
			inherited.Refuse()
		}
		ready <- started{d, code}
	}()
	var d *daemon.Daemon
	select {
	case <-told.stop:
		return 0
	case s := <-ready:
		if s.d == nil {
			return s.code
		}
		d = s.d
	}

	ctx, drain := context.WithCancel(context.Background())
	defer drain()
	ended := make(chan struct{})
	defer close(ended)
	go obey(told.stop, ended, drain, d.Cut)
	go func() {
		for {
			select {
			case <-ended:
				return
			case <-told.reload:
				d.Reload() //nolint:errcheck // logs why not
			}
		}
	}()
	if err := d.Run(ctx); err != nil {
		fmt.Fprintln(queue, "deflectd:", err)
		return exitRuntime
	}
	return 0
}

// together is how long after the first signal others are the same one: a supervisor or
// a shell tells the process, and its group besides.
const together = 100 * time.Millisecond

// obey drains for the first signal and cuts for the second, until ended.
func obey(stop <-chan os.Signal, ended <-chan struct{}, drain, cut func()) {
	var first time.Time
	for {
		select {
		case <-ended:
			return
		case <-stop:
		}
		switch {
		case first.IsZero():
			first = time.Now()
			drain()
		case time.Since(first) > together:
			cut()
			return
		}
	}
}

// start makes a daemon. Without one it has said why not, and returns the exit code.
func start(f flags, inherited daemon.Inherited, queue *daemon.LogQueue) (*daemon.Daemon, int) {
	name := f.Config
	file, err := config.Load(name, os.Getenv)
	if err != nil {
		fmt.Fprintf(queue, "deflectd: not started, because of the configuration:\n%v\n", err)
		for _, w := range file.Warnings { // one of them may be the cause
			fmt.Fprintln(queue, "warning:", config.Located(name, w))
		}
		return nil, exitUsage
	}
	if err := daemon.CheckWebConfig(f.WebConfig); err != nil {
		fmt.Fprintln(queue, "deflectd: not started:", err)
		return nil, exitUsage
	}
	log, level := daemon.NewLogger(queue, file.Log)
	stdlog.SetFlags(0)
	stdlog.SetOutput(daemon.LibraryLog(log, queue))
	for _, w := range file.Warnings {
		log.Warn("configuration", "at", config.Located(name, w))
	}
	d, err := daemon.New(daemon.Options{
		Config: file, Logger: log, Level: level, Queue: queue,
		Load: func() (config.File, error) {
			file, err := config.Load(name, os.Getenv)
			return file, errors.Join(err, daemon.CheckWebConfig(f.WebConfig))
		},
		WebConfig: f.WebConfig,
		Inherited: inherited,
	})
	if err != nil {
		fmt.Fprintln(queue, "deflectd: not started:", err)
		return nil, exitRuntime
	}
	return d, 0
}
