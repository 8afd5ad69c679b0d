package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

type simulateSwitchCmd struct {
	Daemon string `default:"127.0.0.1:8084" placeholder:"ADDR" help:"Where deflectd listens, several with | between them (default: ${default})."`
	From   string `required:"" placeholder:"NUMBER" help:"The caller's number."`
	To     string `required:"" placeholder:"NUMBER" help:"The number that was dialled."`

	Press       string            `placeholder:"KEYS" help:"Keys that the caller presses."`
	PressAfter  time.Duration     `default:"500ms" placeholder:"TIME" help:"When, after the first prompt began (default: ${default})."`
	HangupAfter time.Duration     `placeholder:"TIME" help:"The caller hangs up this long after the call reached deflectd."`
	HideNumber  bool              `help:"The caller withholds the number."`
	Var         map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Channel variable that the dialplan has set; repeat it for more."`
	Sounds      string            `type:"existingdir" placeholder:"DIR" help:"The switch's sound_prefix: files that are not in this folder are missing (default: all but the shipped prompts are)."`
	NoResume    bool              `help:"Leave socket_resume unset, as a dialplan should not."`
	Calls       int               `default:"1" placeholder:"N" help:"Simultaneous callers with consecutive numbers, shown as a summary."`
	ShowNumbers bool              `help:"Do not mask telephone numbers."`

	realTextFlags
}

// Help is shown below the usage.
func (simulateSwitchCmd) Help() string {
	return `Plays FreeSWITCH's socket application and a caller against a deflectd that runs, and shows what the caller goes
through. Prompts take 2s each. Where a file is missing callers hear nothing, as with a real switch: without --sounds there
are the shipped prompts, where dialplan/README.md puts them, and no others. Exit code 1: a caller was lost, a file was
missing, a command was sent that FreeSWITCH refuses, or deflectd was not there.

A caller who presses keys, or has variables, could get a real text. Then deflectd is asked first, over its HTTP port
(--http): unless its API proves to be a simulator, no call is made.

  deflectctl simulate freeswitch --from +14043438646 --to +18005550100 --press 1`
}

// Run plays the switch.
func (c *simulateSwitchCmd) Run(a *app) error {
	if c.Calls < 1 {
		return usage("--calls must be 1 or more")
	}
	for addr := range strings.SplitSeq(c.Daemon, "|") {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return usage("--daemon: %w: write host:port, several with | between them", err)
		}
	}
	// With a variable a call can be one that has accepted already.
	if c.Press != "" || len(c.Var) > 0 {
		if err := c.refuses(a.ctx, c.Daemon); err != nil {
			return err
		}
	}
	call := c.call()
	results := make([]freeswitchtest.Result, c.Calls)
	errs := make([]error, c.Calls)
	var running sync.WaitGroup
	for i := range c.Calls {
		call := call
		call.ANI = following(c.From, i)
		running.Go(func() { results[i], errs[i] = call.Dial(a.ctx, c.Daemon) })
	}
	running.Wait()
	for _, err := range errs {
		switch {
		case err != nil && a.ctx.Err() != nil:
			return fmt.Errorf("interrupted: %w", err)
		case err != nil:
			return usage("%w", err) // what the flags ask for cannot be played
		}
	}

	mask := masker(c.From, c.To)
	if c.ShowNumbers {
		mask = strings.NewReplacer()
	}
	var text strings.Builder
	if c.Calls == 1 {
		showCall(&text, call, results[0])
	} else {
		showSummary(&text, results)
	}
	showUnheard(&text, results)
	fmt.Fprint(a.stdout, mask.Replace(text.String()))
	for _, r := range results {
		if r.Lost || len(r.Violations) > 0 || len(unheard(r)) > 0 {
			return &exit{code: exitFailed}
		}
	}
	return c.unserved(results)
}

// unserved says that deflectd did not take calls. The dialplan went on, as it has to,
// but whoever tries a deflectd wants to know.
func (c *simulateSwitchCmd) unserved(results []freeswitchtest.Result) error {
	var first error
	n := 0
	for _, r := range results {
		if r.Release == "" || r.Release == freeswitchtest.Exited || len(r.Commands) > 0 {
			continue
		}
		n++
		switch {
		case first != nil:
		case r.Release == freeswitchtest.Unreached:
			first = fmt.Errorf("%s cannot be reached: does deflectd run, with this freeswitch.outbound.listen? (%w)", c.Daemon, r.Unreached)
		case r.Release == freeswitchtest.Broke:
			first = fmt.Errorf("the connection to %s was closed before the call began: is this machine on freeswitch.outbound.allow, and less than max_calls in progress? The log of deflectd tells", c.Daemon)
		default:
			first = fmt.Errorf("whoever listens at %s said nothing until %s: is it deflectd?", c.Daemon, r.Release)
		}
	}
	if first != nil && len(results) > 1 {
		first = fmt.Errorf("%d of %d calls were not taken: %w", n, len(results), first)
	}
	return first
}

func (c *simulateSwitchCmd) call() freeswitchtest.Call {
	call := freeswitchtest.Call{
		ANI: c.From, DNIS: c.To, HideNumber: c.HideNumber, Vars: c.Var, SocketResume: !c.NoResume, Exists: installed,
	}
	if c.Sounds != "" {
		call.Exists = freeswitchtest.Sounds(c.Sounds)
	}
	if c.Press != "" {
		call.Script = append(call.Script, freeswitchtest.Press(c.Press).After(c.PressAfter))
	}
	if c.HangupAfter > 0 {
		call.Script = append(call.Script, freeswitchtest.HangUp().SinceConnect(c.HangupAfter))
	}
	return call
}

// installed tells which files there are on a switch where nobody installed sounds but
// the shipped prompts.
func installed(file string) bool {
	shipped := freeswitch.Profile{}.WithDefaults(freeswitch.DefaultConfig().Sounds).Prompts
	for _, prompt := range shipped.All() {
		if file == *prompt {
			return true
		}
	}
	return freeswitchtest.Sounds(os.DevNull)(file) // what needs no folder
}

// following returns the number n after one, as it is written; what is not digits
// after a plus sign stays as it is.
func following(number string, n int) string {
	digits := strings.TrimPrefix(number, "+")
	v, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 {
		return number
	}
	return number[:len(number)-len(digits)] + fmt.Sprintf("%0*d", len(digits), v+uint64(n))
}

// showCall prints what one caller went through.
func showCall(w io.Writer, call freeswitchtest.Call, r freeswitchtest.Result) {
	for _, e := range tidied(r.Timeline, call) {
		fmt.Fprintln(w, e)
	}
	fmt.Fprintf(w, "\n%s\n", fate(r))
	for _, name := range slices.Sorted(maps.Keys(r.Vars)) {
		fmt.Fprintf(w, "  %s=%s\n", name, r.Vars[name])
	}
	for _, v := range r.Violations {
		fmt.Fprintln(w, "refused by FreeSWITCH:", v)
	}
}

// showSummary prints how many callers had which fate and outcome.
func showSummary(w io.Writer, results []freeswitchtest.Result) {
	count := map[string]int{}
	var slowest time.Duration
	violations := 0
	for _, r := range results {
		outcome := "no outcome"
		if o := r.Vars["deflect_outcome"]; o != "" {
			outcome = o + " (" + r.Vars["deflect_reason"] + ")"
		}
		count[fate(r)+"; "+outcome]++
		slowest = max(slowest, r.ContinuedAfter)
		violations += len(r.Violations)
	}
	for _, line := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(w, "%6d  %s\n", count[line], line)
	}
	fmt.Fprintf(w, "slowest back in the dialplan after %.3fs\n", slowest.Seconds())
	if violations > 0 {
		fmt.Fprintf(w, "%d commands refused by FreeSWITCH\n", violations)
	}
}

// showUnheard prints which prompts were not there.
func showUnheard(w io.Writer, results []freeswitchtest.Result) {
	missing := map[string]bool{}
	for _, r := range results {
		for _, file := range unheard(r) {
			missing[file] = true
		}
	}
	for _, file := range slices.Sorted(maps.Keys(missing)) {
		fmt.Fprintf(w, "missing: %s, callers heard nothing (--sounds DIR says where the switch's sounds are)\n", file)
	}
}

// unheard are the prompts that were not there.
func unheard(r freeswitchtest.Result) []string {
	var files []string
	for _, p := range r.Played {
		if p.Response == "FILE NOT FOUND" {
			files = append(files, p.File)
		}
	}
	return files
}

// fate says in a few words what became of a caller.
func fate(r freeswitchtest.Result) string {
	switch {
	case r.Lost:
		return "the caller was lost"
	case r.HungUp:
		return "the caller hung up"
	case r.Transferred:
		return "the caller was sent elsewhere"
	case r.Continued:
		return "the dialplan goes on"
	}
	return "the call ended"
}
