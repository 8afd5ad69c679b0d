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
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
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
	Demo   demoCmd   `cmd:"" help:"Watch callers go through deflectd, all on this machine."`
	Send   sendCmd   `cmd:"" help:"Send one text, or show the request with --dry-run."`
	Report reportCmd `cmd:"" help:"Tell what became of the texts."`
	Settle settleCmd `cmd:"" help:"Look up whether an uncertain text went out."`
	State  struct {
		List    stateListCmd    `cmd:"" help:"Show what waits, is in doubt, or is in a cooldown."`
		Forget  stateForgetCmd  `cmd:"" help:"Erase all that is known of a number."`
		Cancel  stateCancelCmd  `cmd:"" help:"Drop a text that waits."`
		Release stateReleaseCmd `cmd:"" help:"End the cooldowns of a number."`
		Optout  stateOptoutCmd  `cmd:"" help:"Put a number on the fleet's do-not-text list, or take it off."`
		Key     stateKeyCmd     `cmd:"" help:"Make the key of a fleet."`
	} `cmd:"" help:"Show and change what deflectd remembers, and what a fleet shares."`
	Trace    traceCmd   `cmd:"" help:"Show step by step what happened to a call."`
	Explain  explainCmd `cmd:"" help:"Tell whether a caller would be offered a text, and which rule says no."`
	Doctor   doctorCmd  `cmd:"" help:"Look at everything that deflectd needs, and say what to do."`
	Healthy  healthyCmd `cmd:"" help:"Tell whether the deflectd of this machine is up."`
	Check    checkCmd   `cmd:"" help:"Check a configuration and print it with all defaults."`
	Config   configCmd  `cmd:"" help:"Print the reference of the configuration."`
	Load     loadCmd    `cmd:"" help:"Call a running deflectd many times, and say how long its callers wait."`
	Simulate struct {
		LiveDeflect simulateAPICmd    `cmd:"" name:"livedeflect" help:"Answer like LivePerson's LiveDeflect API."`
		C2M         simulateC2MCmd    `cmd:"" name:"c2m" help:"Answer like LivePerson's Connect to Messaging APIs."`
		FreeSWITCH  simulateSwitchCmd `cmd:"" name:"freeswitch" help:"Call a running deflectd like FreeSWITCH."`
	} `cmd:"" help:"Play one of deflectd's neighbours."`
	Completion  completionCmd `cmd:"" help:"Print a completion script for ${shells_listed}."`
	Complete    completeCmd   `cmd:"" hidden:"" passthrough:""`
	Help        helpCmd       `cmd:"" help:"Show the help of a command."`
	VersionWord versionCmd    `cmd:"" name:"version" help:"Print the version."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

type helpCmd struct {
	Command []string `arg:"" optional:"" help:"Command, such as check or simulate freeswitch."`
}

// Run is not reached: help in front of the words is --help behind them.
func (helpCmd) Run() error { return nil }

type versionCmd struct{}

// Run prints what --version does.
func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintln(a.stdout, version())
	return err
}

func version() string { return "deflectctl " + daemon.ReadBuild().String() }

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
	shown := daemon.NewOutput(a.stdout)
	a.stdout = shown
	err := execute(args, &a)
	if broken := shown.Err(); broken != nil {
		if p, ok := errors.AsType[*fs.PathError](broken); ok {
			broken = p.Err // without the name, which is /dev/stdout
		}
		// What a command makes of it does not matter: nobody can have read the rest.
		err = fmt.Errorf("standard output cannot be written, and not all was shown: %w", broken)
	}
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

// vars are what the tags of the commands refer to: what a value may be, and how the help
// lists that.
func vars() kong.Vars {
	formats := each(reportFormats, func(f reportFormat) string { return f.name })
	names := each(shells, func(s shell) string { return s.name })
	return kong.Vars{
		"version": version(),
		"formats": strings.Join(formats, ","), "formats_listed": list(formats, "or"),
		"apis_listed":      list(each(reportAPIs, func(api *reportAPI) string { return api.name }), "or"),
		"groupings":        strings.Join(each(groupings, func(g grouping) string { return g.name }), ","),
		"groupings_listed": list(each(groupings, func(g grouping) string { return g.words }), "or"),
		"modes":            strings.Join(each(programmes, func(p programme) string { return p.mode }), ","),
		"modes_listed":     strings.Join(each(programmes, func(p programme) string { return p.when + " (" + p.mode + ")" }), ", or "),
		"switch_password":  switchPasswordEnv,
		"shells":           strings.Join(names, ","), "shells_listed": list(names, "or"),
	}
}

func each[R any](rows []R, word func(R) string) (words []string) {
	for _, r := range rows {
		words = append(words, word(r))
	}
	return words
}

func execute(args []string, a *app) error {
	var c commands
	exited := false
	parser, err := kong.New(&c,
		kong.Name("deflectctl"), kong.Description(description),
		vars(),
		kong.Writers(a.stdout, a.stderr), kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	parsed, err := parser.Parse(args)
	if exited {
		return nil // help or version
	}
	if err != nil {
		return usage("%w (see deflectctl --help)", err)
	}
	return parsed.Run(a)
}
