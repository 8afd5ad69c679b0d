package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

type traceCmd struct {
	Config string `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration of deflectd."`
	Call   string `xor:"what" placeholder:"ID" help:"Show the calls with this id: call_id of the log, the channel's UUID, or the API's id."`
	Number string `xor:"what" placeholder:"NUMBER" help:"Show the calls of this number."`
	Next   *int   `xor:"what" placeholder:"N" help:"Trace the next N calls, of any profile; 0 ends that."`
	Reveal bool   `help:"Show the numbers, keys, names and texts, which are masked else."`
	JSON   bool   `name:"json" help:"Print the answer as one JSON object."`
	portFlags
}

// Help is shown below the usage.
func (traceCmd) Help() string {
	return fmt.Sprintf(`What deflectd knows of a call, step by step: what the switch told of it, the rules that were asked with their answers,
commands to the switch and its events with their times, requests, how it ended. Asks the deflectd that runs on this
machine, which keeps the last %d calls of profiles with 'trace: true', and the next ones that --next asks for, in memory,
for a day at most. Without --call and --number: the list of them. A call in progress is shown as far as it is; whoever waits in a queue from the
key press on. 'deflectctl state forget' erases a number here too.

  deflectctl trace --config deflectd.yaml --next 5`, state.MostTraced)
}

// Run asks deflectd, and prints what it tells.
func (c *traceCmd) Run(a *app) error {
	file, err := loadKeyless(a, c.Config)
	if err != nil {
		return err
	}
	if c.Number != "" {
		if _, err := state.Spellings(c.Number, file.Deflect.DefaultRegion); err != nil {
			return usage("--number: %w", err)
		}
	}
	if c.Next != nil && (*c.Next < 0 || *c.Next > state.MostTraced) {
		return usage("--next: must be between 0 and %d", state.MostTraced)
	}
	one := c.Call != "" || c.Number != ""
	if c.Reveal && !one {
		return usage("--reveal: is for one call or number: give --call or --number")
	}
	client, base, err := c.client(file)
	if err != nil {
		return err
	}
	deflectd := state.Remote{Client: client, Base: base}
	var all state.Traces
	switch {
	case one:
		all, err = deflectd.TraceOf(a.ctx, state.TraceRequest{CallID: c.Call, Number: c.Number, Reveal: c.Reveal})
	case c.Next != nil:
		all, err = deflectd.TraceNext(a.ctx, state.TraceNext{Calls: *c.Next})
	default:
		all, err = deflectd.Traces(a.ctx)
	}
	if err != nil {
		return traceTrouble(file, err)
	}
	if c.JSON {
		return printJSON(a.stdout, all)
	}
	text := traceText(all)
	if !one {
		text = tracesText(all, base)
	}
	_, err = io.WriteString(a.stdout, text)
	return err
}

// traceTrouble adds what to do when deflectd does not tell.
func traceTrouble(file config.File, err error) error {
	refused, told := errors.AsType[*state.Error](err)
	if told {
		refused.Text = visible(refused.Text, 1000)
	}
	switch {
	case errors.Is(err, state.ErrAway):
		return fmt.Errorf("%w. Traces are in the memory of a deflectd that runs, and end with it: ask on its machine", err)
	case told && refused.Status == http.StatusForbidden:
		return fmt.Errorf("%w; deflectd listens on no loopback address (http.listen: %s)", err, file.HTTPListen)
	}
	return err
}
