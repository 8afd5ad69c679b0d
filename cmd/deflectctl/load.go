package main

import (
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

type loadCmd struct {
	Daemon     string        `default:"127.0.0.1:8084" placeholder:"ADDR" help:"Where deflectd listens, several with | between them (default: ${default})."`
	Rate       float64       `required:"" placeholder:"N" help:"New calls a second."`
	Calls      int           `required:"" placeholder:"N" help:"How many calls in all."`
	Hold       time.Duration `default:"5s" placeholder:"TIME" help:"How long a caller listens to the offer (default: ${default})."`
	PressShare float64       `default:"0.3" placeholder:"SHARE" help:"Share of the callers who press the key, 0 to 1 (default: ${default})."`
	Press      string        `default:"1" placeholder:"KEY" help:"The key (default: ${default})."`

	From  string            `placeholder:"NUMBER" help:"The first caller's number, the others count up (default: fictional numbers)."`
	To    string            `default:"+18005550100" placeholder:"NUMBER" help:"The number that was dialled (default: ${default})."`
	Var   map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Channel variable that the dialplan has set; repeat it for more."`
	Limit time.Duration     `placeholder:"TIME" help:"A call that takes longer is lost (default: 1m and ten times --hold)."`
	JSON  bool              `name:"json" help:"Print the summary as one JSON object."`

	realTextFlags
}

// Help is shown below the usage.
func (loadCmd) Help() string {
	return `Calls a running deflectd as many FreeSWITCHes would, and says how long its callers wait.

A deflectd with a real account would really send texts, so it is asked first, over its HTTP port (--http): unless its API
proves to be a simulator, no call is made. For a load test, let base_url in its configuration point to
'deflectctl simulate livedeflect', and set max_calls high enough; with Connect to Messaging, domain_url to 'deflectctl simulate
c2m --rate -1', and c2m.rate to what the test needs, for it bounds the offers of each second. The callers' numbers belong to nobody: +1, an area code
of the United States, 555 0100 to 0199. After some 35,000 calls they repeat, and so they do in the next run, and a cooldown
refuses them: set it to 0s, or use --from.

Call i begins at i/rate whatever the others do, and times count from there, so that nobody hides by being slow. Callers of
the pressing share press the key after --hold. The others stay silent: the offer lasts --hold and ends, and deflectd goes on
as its configuration says (gap, repeat). Other prompts last 200ms. So rate times hold calls are held, and more in gaps.

Times are in milliseconds, over all calls that were given back, exact to the microsecond:
  offer    from the intended beginning until the command to play the offer
  key      from the key until the command to play the result, or without one
           until the call is given back: the API, and 40ms to cut the offer
  latency  what the caller waits for deflectd: offer, key, and what comes
           after the result prompt; of a call without an offer all of it, and
           of a silent caller only the offer: the rest is told by --limit alone

Lost is a call that deflectd did not give back with an outcome and exit, or left socket_resume set on: no connection, no command for 25s, a broken
connection, no end within --limit (give more for a configuration with long gaps and many repeats). A real dialplan would go on by socket_resume; here it counts. When the generator itself
is late by more than 10ms, the summary says so: then the times are not deflectd's alone. Ports are free again a minute after
their call (a second, on one machine): above some 450 calls/s to another machine use several generators.

Ctrl-C lets the callers hang up, whose calls are in no percentile, and prints what was done. Exit code 1: a call was lost, or a command was sent that
FreeSWITCH refuses. 2: usage.

  deflectctl load --rate 500 --calls 10000 --hold 5s`
}

// Run plays the load.
func (c *loadCmd) Run(a *app) error {
	numbers, err := c.check()
	if err != nil {
		return err
	}
	if err := c.refuses(a.ctx, c.Daemon); err != nil {
		return err
	}
	if numbers.of > 0 && c.Calls > numbers.of {
		fmt.Fprintf(a.stderr, "deflectctl: %d calls share %d numbers: a cooldown refuses who was texted before (see --from)\n", c.Calls, numbers.of)
	}
	run := newLoadRun(c, numbers)
	stopShowing := run.show(a)
	t := run.play(a.ctx)
	stopShowing()

	s := t.summary()
	if c.JSON {
		err = printJSON(a.stdout, s)
	} else {
		err = writeLoad(a.stdout, s)
	}
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	if s.Lost > 0 || s.Violations > 0 {
		return &exit{code: exitFailed}
	}
	return nil
}

// check says what is wrong with the flags, and fills in what depends on others.
func (c *loadCmd) check() (callers, error) {
	var none callers
	switch {
	case !(c.Rate > 0) || math.IsInf(c.Rate, 0):
		return none, usage("--rate must be more than 0")
	case c.Calls < 1:
		return none, usage("--calls must be 1 or more")
	case c.Hold <= 0:
		return none, usage("--hold must be more than 0")
	case !(c.PressShare >= 0 && c.PressShare <= 1):
		return none, usage("--press-share must be between 0 and 1")
	case len(c.Press) != 1:
		return none, usage("--press must be one key")
	case c.Limit < 0:
		return none, usage("--limit must not be negative")
	case float64(c.Calls)/c.Rate > maxLoad.Seconds():
		return none, usage("%d calls at %g a second take longer than %v", c.Calls, c.Rate, maxLoad)
	}
	for addr := range strings.SplitSeq(c.Daemon, "|") {
		if _, _, err := net.SplitHostPort(strings.TrimSpace(addr)); err != nil {
			return none, usage("--daemon must be HOST:PORT, several with | between them: %w", err)
		}
	}
	call := freeswitchtest.Call{Vars: c.Var, Script: []freeswitchtest.Action{freeswitchtest.Press(c.Press)}}
	if err := call.Validate(); err != nil {
		return none, usage("%w", err)
	}
	if c.Limit == 0 {
		c.Limit = time.Minute + 10*c.Hold
	}
	if c.From == "" {
		return fictional(), nil
	}
	if following(c.From, 1) == c.From {
		return none, usage("--from cannot be counted up: write a plus sign and digits")
	}
	return callers{from: c.From}, nil
}

// maxLoad is what nobody means: a mistake in --rate or --calls.
const maxLoad = 31 * 24 * time.Hour

// presses tells whether call i is one of the pressing share: of any calls in a row,
// so many as the share says, without luck.
func (c *loadCmd) presses(i int) bool {
	const rounding = 1e-9
	upTo := func(n int) float64 { return math.Floor(float64(n)*c.PressShare + rounding) }
	return upTo(i+1) > upTo(i)
}

// show draws a line on a terminal until the returned function is called.
func (r *loadRun) show(a *app) (stop func()) {
	if !a.watched() {
		return func() {}
	}
	bar := progressbar.NewOptions(r.cmd.Calls,
		progressbar.OptionSetWriter(a.stderr), progressbar.OptionShowCount(), progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish())
	end := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			done, held, lost := r.now()
			bar.Describe(fmt.Sprintf("%6d held, %d lost, ended", held, lost))
			bar.Set(done)
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	})
	return func() {
		close(end)
		drawing.Wait()
		bar.Exit()
		bar.Clear()
	}
}
