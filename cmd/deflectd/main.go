// Command deflectd offers a text to callers that FreeSWITCH's dialplan hands
// over through the event socket, and asks LivePerson's LiveDeflect to send it.
//
//	deflectd --config /etc/deflectd/deflectd.yaml
//
// SIGHUP loads the configuration anew; a bad one is refused and the old one stays.
// SIGTERM or SIGINT stops accepting calls and lets live ones end; a second one
// gives live calls back to the dialplan at once. Exit codes: 0 stopped as told,
// 1 could not run, 2 usage or configuration.
package main

import (
	"context"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
)

const (
	exitRuntime = 1
	exitUsage   = 2
)

type flags struct {
	Config  string           `required:"" placeholder:"FILE" help:"Configuration to run; 'deflectctl check FILE' explains one."`
	Version kong.VersionFlag `help:"Print the version and exit."`
}

const description = `Offers a text to callers that FreeSWITCH hands over, and asks LiveDeflect to send it.

SIGHUP, or POST /-/reload from this machine, loads the configuration anew; a bad one is refused and the old one stays.
The first SIGTERM or SIGINT drains: no new calls, live ones go on. The second gives live calls back to the dialplan at once.
Exit codes: 0 stopped as told, 1 could not run, 2 usage or configuration.`

func main() {
	// A log whose reader has died is no reason to end.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(run(os.Args[1:], signals, os.Stdout, os.Stderr))
}

func run(args []string, signals <-chan os.Signal, stdout, stderr io.Writer) int {
	queue := daemon.NewLogQueue(stderr)
	defer queue.Close()
	var f flags
	exited := -1
	parser, err := kong.New(&f,
		kong.Name("deflectd"), kong.Description(description),
		kong.Vars{"version": "deflectd " + daemon.ReadBuild().String()},
		kong.Writers(stdout, queue), kong.Exit(func(code int) { exited = code }),
	)
	if err != nil {
		fmt.Fprintln(queue, "deflectd:", err)
		return exitRuntime
	}
	_, err = parser.Parse(args)
	if exited >= 0 {
		return exited // help or version
	}
	if err != nil {
		fmt.Fprintf(queue, "deflectd: %v (see deflectd --help)\n", err)
		return exitUsage
	}
	return serve(f.Config, signals, queue)
}

func serve(name string, signals <-chan os.Signal, queue *daemon.LogQueue) int {
	file, err := config.Load(name, os.Getenv)
	if err != nil {
		fmt.Fprintf(queue, "deflectd: not started, because of the configuration:\n%v\n", err)
		return exitUsage
	}
	log, level := daemon.NewLogger(queue, file.Log)
	stdlog.SetFlags(0)
	stdlog.SetOutput(daemon.LibraryLog(log))
	for _, w := range file.Warnings {
		log.Warn("configuration", "at", config.Located(name, w))
	}
	d, err := daemon.New(daemon.Options{
		Config: file, Logger: log, Level: level, Queue: queue,
		Load: func() (config.File, error) { return config.Load(name, os.Getenv) },
	})
	if err != nil {
		fmt.Fprintln(queue, "deflectd: not started:", err)
		return exitRuntime
	}

	ctx, drain := context.WithCancel(context.Background())
	defer drain()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for draining := false; ; {
			var sig os.Signal
			select {
			case <-ended:
				return
			case sig = <-signals:
			}
			switch {
			case sig == syscall.SIGHUP:
				go d.Reload() //nolint:errcheck // logs why not; a file system may hang, the next signal must not
			case draining:
				d.Cut()
			default:
				draining = true
				drain()
			}
		}
	}()
	if err := d.Run(ctx); err != nil {
		fmt.Fprintln(queue, "deflectd:", err)
		return exitRuntime
	}
	return 0
}
