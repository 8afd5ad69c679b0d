// Command deflectctl shows, tries and checks what deflectd does: a demo without
// any account, one text from the command line, reports of what became of the
// texts, a look at a configuration, and simulators of both neighbours.
//
// Exit codes: 0 done, 1 it did not work out (no text sent, a caller lost), 2
// usage or configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

const description = `Shows, tries and checks what deflectd does.

Start with 'deflectctl demo': no account, no telephone.
Exit codes: 0 done, 1 it did not work out (no text sent, a caller lost), 2 usage or configuration.`

// commands are what deflectctl can do.
type commands struct {
	Demo     demoCmd    `cmd:"" help:"Watch callers go through deflectd, all on this machine."`
	Send     sendCmd    `cmd:"" help:"Send one text, or show the request with --dry-run."`
	Report   reportCmd  `cmd:"" help:"Tell what became of the texts."`
	Settle   settleCmd  `cmd:"" help:"Look up whether an uncertain text went out."`
	Explain  explainCmd `cmd:"" help:"Tell whether a caller would be offered a text, and which rule says no."`
	Check    checkCmd   `cmd:"" help:"Check a configuration and print it with all defaults."`
	Load     loadCmd    `cmd:"" help:"Call a running deflectd many times, and say how long its callers wait."`
	Simulate struct {
		LiveDeflect simulateAPICmd    `cmd:"" name:"livedeflect" help:"Answer like LivePerson's LiveDeflect API."`
		FreeSWITCH  simulateSwitchCmd `cmd:"" name:"freeswitch" help:"Call a running deflectd like FreeSWITCH."`
	} `cmd:"" help:"Play one of deflectd's neighbours."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

// app is what a command works with.
type app struct {
	ctx            context.Context
	stdout, stderr io.Writer
	getenv         func(string) string
}

// watched reports whether standard error is a terminal, with a person before it.
func (a *app) watched() bool {
	f, ok := a.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// exit is an error with an exit code. One without a cause says nothing: the
// command has said it.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(os.Args[1:], app{ctx, os.Stdout, os.Stderr, os.Getenv})
	stop()
	os.Exit(code)
}

func run(args []string, a app) int {
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("deflectctl"), kong.Description(description),
		kong.Vars{"version": "deflectctl " + daemon.ReadBuild().String()},
		kong.Writers(a.stdout, a.stderr), kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		fmt.Fprintln(a.stderr, "deflectctl:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited // help or version
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "deflectctl: %v (see deflectctl --help)\n", err)
		return exitUsage
	}
	err = parsed.Run(&a)
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(a.stderr, "deflectctl:", text)
	}
	var e *exit
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailed
}
