package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// stateFlags are those of each command about the state.
type stateFlags struct {
	Config string `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration of deflectd."`
	JSON   bool   `name:"json" help:"Print the answer as one JSON object."`
	portFlags
}

// portFlags are how the HTTP port of deflectd is asked, see [state.Client].
type portFlags struct {
	HTTPConfig string `name:"http.config.file" env:"DEFLECT_HTTP_CONFIG_FILE" placeholder:"FILE" help:"How the HTTP port of deflectd is asked, where it has TLS or passwords."`
}

// client returns who asks the HTTP port of a configuration.
func (f *portFlags) client(file config.File) (client *http.Client, base string, err error) {
	if client, base, err = state.Client(file.HTTPListen, f.HTTPConfig); err != nil {
		return nil, "", usage("%s: %w", f.HTTPConfig, err)
	}
	return client, base, nil
}

type stateListCmd struct {
	stateFlags
	Number string `placeholder:"NUMBER" help:"Show what is known of this number alone."`
}

type stateForgetCmd struct {
	stateFlags
	Number string `required:"" placeholder:"NUMBER" help:"Whose number it is that is forgotten."`
}

type stateCancelCmd struct {
	stateFlags
	ExternalID string `required:"" name:"external-id" placeholder:"ID" help:"Your id of the call whose text waits."`
}

type stateReleaseCmd struct {
	stateFlags
	Number string `required:"" placeholder:"NUMBER" help:"Who may be texted again."`
}

const stateHelp = `

Asks the deflectd that runs on this machine with the configuration, over its HTTP port; where none runs, the
journal in state.dir itself.`

// Help is shown below the usage.
func (stateListCmd) Help() string {
	return `What waits, is in doubt, or is just being sent, and who is in a cooldown. Numbers are masked. The cooldowns of a fleet
are in Redis, as hashes: 'deflectctl explain' tells of one caller's.` + stateHelp + `

  deflectctl state list --config deflectd.yaml`
}

// Help is shown below the usage.
func (stateForgetCmd) Help() string {
	return `Erases all that is known of a number, as for a privacy request: texts that wait or are in doubt, outcomes of
texts, cooldowns, also those of a fleet, and traces of calls. A text that waits is not sent; one in doubt is no longer looked up. The do-not-text
lists are yours to keep. What waits at another deflectd of a fleet, and its traces, it has to be asked for on its machine.` + stateHelp + `

  deflectctl state forget --config deflectd.yaml --number +14043438646`
}

// Help is shown below the usage.
func (stateCancelCmd) Help() string {
	return `Drops a text that waits: it is not sent. Exit code 1 when no such text waits (any more).` + stateHelp + `

  deflectctl state cancel --config deflectd.yaml --external-id 3e0068c6-dcda-4c96`
}

// Help is shown below the usage.
func (stateReleaseCmd) Help() string {
	return `Ends the cooldowns of a number, also those of a fleet, so that it can be texted again at once.` + stateHelp + `

  deflectctl state release --config deflectd.yaml --number +14043438646`
}

// Run lists.
func (c *stateListCmd) Run(a *app) error {
	return c.with(a, c.Number, toRead, func(k state.Keeper, from string) (any, string, error) {
		if c.Number != "" {
			l, err := k.About(a.ctx, c.Number)
			return l, listText(l, from), err
		}
		l, err := k.List(a.ctx)
		return l, listText(l, from), err
	})
}

// Run forgets.
func (c *stateForgetCmd) Run(a *app) error {
	return c.with(a, c.Number, toForget, func(k state.Keeper, from string) (any, string, error) {
		f, err := k.Forget(a.ctx, c.Number)
		if f.Nothing() {
			return f, fmt.Sprintf("Nothing was known of %s (%s).\n", cell(f.Number), from), err
		}
		return f, fmt.Sprintf("%s is forgotten (%s). Erased: %s that waited, %s in doubt, %s of texts, %s, %s of calls.\n",
			cell(f.Number), from, plural(f.Waiting, "text"), plural(f.Doubted, "text"), plural(f.Ended, "outcome"), plural(f.Cooldowns, "cooldown"), plural(f.Traces, "trace")), err
	})
}

// Run cancels.
func (c *stateCancelCmd) Run(a *app) error {
	if err := wholeID(c.ExternalID); err != nil {
		return err
	}
	return c.with(a, "", toChange, func(k state.Keeper, from string) (any, string, error) {
		done, err := k.Cancel(a.ctx, c.ExternalID)
		return done, fmt.Sprintf("The text of %s is not sent (%s).\n", cell(done.ExternalID), from), err
	})
}

// Run releases.
func (c *stateReleaseCmd) Run(a *app) error {
	return c.with(a, c.Number, toChange, func(k state.Keeper, from string) (any, string, error) {
		done, err := k.Release(a.ctx, c.Number)
		if done.Cooldowns == 0 {
			return done, fmt.Sprintf("%s is in no cooldown (%s).\n", cell(done.Number), from), err
		}
		return done, fmt.Sprintf("%s can be texted again (%s): ended %s.\n", cell(done.Number), from, plural(done.Cooldowns, "cooldown")), err
	})
}

// access is what is done with a state.
type access int

const (
	toRead access = iota
	toChange
	toForget // also what a deflectd without a journal has in memory
)

// with does something with the state of a configuration, and prints what came of it: as
// JSON, or in words.
func (f *stateFlags) with(a *app, number string, does access, do func(k state.Keeper, from string) (any, string, error)) error {
	file, err := loadKeyless(a, f.Config)
	if err != nil {
		return err
	}
	if number != "" {
		if _, err := state.Spellings(number, file.Deflect.DefaultRegion); err != nil {
			return usage("--number: %w", err)
		}
	}
	var k state.Keeper
	var from string
	shared := file.Fleet != nil && number != "" && does != toRead // then Redis has cooldowns of the number
	if file.StateDir != "" || !shared || does == toForget {
		var done func()
		if k, from, done, err = f.openState(file, does); err != nil {
			return err
		}
		defer done()
		if does == toRead {
			from += besides(file)
		}
	}
	asked := k
	if shared {
		f, err := openFleet(a.ctx, file)
		if err != nil {
			return fmt.Errorf("%w; nothing was changed", err)
		}
		defer f.Close()
		if asked = (sharedState{k, file, f}); from != "" {
			from += "; "
		}
		from += "from Redis"
	}
	out, text, err := do(asked, from)
	if err != nil {
		return remoteTrouble(k, file, err)
	}
	if f.JSON {
		return printJSON(a.stdout, out)
	}
	_, err = io.WriteString(a.stdout, text)
	return err
}

// openState returns who knows the state of a configuration, and says who that is: where
// deflectd has the journal, it is asked. Nobody who only reads keeps it from starting.
func (f *portFlags) openState(file config.File, does access) (k state.Keeper, from string, done func(), err error) {
	switch {
	case file.StateDir == "" && does == toForget:
		client, base, err := f.client(file)
		return unkept{state.Remote{Client: client, Base: base}}, "from the memory of deflectd at " + base + ", if it runs", func() {}, err
	case file.StateDir == "":
		return nil, "", nil, usage("%s has no state.dir: deflectd keeps what it knows in memory, and nobody else can see it", file.Name)
	}
	options := journal.Options{MaxCooldowns: file.Deflect.MaxCooldowns}
	j, err := journal.OpenReadOnly(file.StateDir, options) // which makes none
	if err == nil && does != toRead {
		if err = j.Close(); err == nil {
			j, err = journal.Open(file.StateDir, options)
		}
	}
	_, locked := errors.AsType[*journal.LockedError](err)
	switch {
	case err == nil:
		return state.Local{Journal: j, Region: file.Deflect.DefaultRegion}, "from the journal; no deflectd runs with it", func() { j.Close() }, nil
	case locked, errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist): // or the folder was removed under a deflectd
		client, base, wrong := f.client(file)
		if wrong != nil {
			return nil, "", nil, wrong
		}
		return state.Remote{Client: client, Base: base, Why: err}, "from deflectd at " + base, func() {}, nil
	}
	return nil, "", nil, err
}

// unkept is a deflectd that keeps no journal: what it knows ends with it.
type unkept struct{ state.Remote }

// Forget erases what is in its memory.
func (u unkept) Forget(ctx context.Context, number string) (state.Forgotten, error) {
	f, err := u.Remote.Forget(ctx, number)
	if nobody, is := errors.AsType[*os.SyscallError](err); is && strings.HasPrefix(nobody.Syscall, "connect") { // listens there
		return state.Forgotten{Number: phone.Number(number).String()}, nil
	}
	return f, err
}

// remoteTrouble adds what to do when a deflectd that has the journal does not tell.
func remoteTrouble(k state.Keeper, file config.File, err error) error {
	r, remote := k.(state.Remote)
	refused, told := errors.AsType[*state.Error](err)
	if told {
		refused.Text = visible(refused.Text, 1000)
	}
	switch {
	case !remote:
		return err
	case errors.Is(err, state.ErrAway) && errors.Is(r.Why, fs.ErrNotExist):
		return fmt.Errorf("there is no journal in %s (state.dir): deflectd has not run with this configuration yet", file.StateDir)
	case errors.Is(err, state.ErrAway):
		return fmt.Errorf("%w. It was asked because the journal cannot be opened: %w. Ask on its machine, as a user who may read %s or while deflectd runs with %s",
			err, r.Why, file.StateDir, file.Name)
	case told && refused.Status == http.StatusForbidden:
		return fmt.Errorf("%w; deflectd listens on no loopback address (http.listen: %s): let it, or stop it and ask again", err, file.HTTPListen)
	}
	return err
}

// mostShown are the cooldowns in words; JSON has all.
const mostShown = 20

// listText tells a listing.
func listText(l state.Listing, from string) string {
	var b strings.Builder
	if len(l.Texts)+len(l.Cooldowns) == 0 {
		fmt.Fprintf(&b, "Nothing waits, is in doubt or in a cooldown (%s).\n", from)
		return b.String()
	}
	fmt.Fprintf(&b, "%s, %s (%s).\n", plural(len(l.Texts), "text"), plural(len(l.Cooldowns), "cooldown"), from)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if len(l.Texts) > 0 {
		fmt.Fprint(w, "\ntext of call\tnumber\tprofile\tis\tsince\tnext try\tgiven up\n")
	}
	for _, t := range l.Texts {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(t.ExternalID), cell(t.Number), cell(t.Profile), cell(isWhat(t)), when(&t.Since), when(t.Next), when(t.Until))
	}
	w.Flush()
	if len(l.Cooldowns) > 0 {
		fmt.Fprint(w, "\nin a cooldown\tprofile\tuntil\n")
	}
	for _, c := range l.Cooldowns[:min(len(l.Cooldowns), mostShown)] {
		fmt.Fprintf(w, "%s\t%s\t%s\n", cell(c.Number), cell(c.Profile), when(&c.Until))
	}
	w.Flush()
	if more := max(0, len(l.Cooldowns)-mostShown) + l.More; more > 0 {
		fmt.Fprintf(&b, "... and %d more; --number shows what is known of one number\n", more)
	}
	return b.String()
}

// isWhat says how it is with a text.
func isWhat(t state.Text) string {
	switch t.State {
	case "waiting":
		if t.Tries > 0 {
			return fmt.Sprintf("waiting (%s, tried %s)", t.Reason, plural(t.Tries, "time"))
		}
		return fmt.Sprintf("waiting (%s)", t.Reason)
	case "doubted":
		return "in doubt"
	case "sending":
		return "being sent"
	}
	return t.State
}

func when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.RFC3339)
}

// cell is a word from whoever listens on the port of deflectd.
func cell(s string) string { return cmp.Or(visible(s, 255), "-") }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
