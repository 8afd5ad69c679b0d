package freeswitchtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Call is one caller whose call stands in the dialplan at the socket
// application. The zero value is a call from nobody to nowhere that hears
// every prompt to its end. A Call is not changed by running it, and may be
// run many times, also at the same time.
type Call struct {
	// UUID is the channel's id. Empty means a random one.
	UUID string
	// ANI, DNIS and CallerName are the raw values, as hostile as you like.
	// They are percent-encoded on the wire as FreeSWITCH does.
	ANI, DNIS, CallerName string
	// HideNumber withholds ANI and CallerName: both become "anonymous".
	HideNumber bool
	// Vars are channel variables that the dialplan has set.
	Vars map[string]string
	// SocketResume sets the channel variable socket_resume: the dialplan
	// goes on at once when the connection ends, and cuts what plays.
	SocketResume bool
	// Answered means that the dialplan has answered the call already.
	Answered bool
	// NotAsync and NotFull are a dialplan that forgot a word of
	// "socket host:port async full".
	NotAsync, NotFull bool
	// Queued are keys of a menu before, which nobody has taken yet: they are
	// reported as if they were pressed now. Only an answered call has some.
	Queued string
	// Prompts tells how long a file plays, by Played.File. Any other file plays for 2 s.
	Prompts map[string]time.Duration
	// Length, if it is not nil, tells instead of Prompts how long a prompt plays,
	// by Played.File and the Event-UUID that the peer gave it. It must always
	// answer the same.
	Length func(file, uuid string) time.Duration
	// Missing are files that do not exist, by Played.File. Exists, if it is not nil,
	// tells which of the others do, as [Sounds] does. It must always answer the same.
	Missing []string
	Exists  func(file string) bool
	// Script is what happens to the call.
	Script []Action
	// Leave, when it is closed, lets the caller hang up, whatever the script says.
	Leave <-chan struct{}
}

const defaultPrompt = 2 * time.Second

func (c Call) promptLength(file string) time.Duration {
	if d, ok := c.Prompts[file]; ok {
		return d
	}
	return defaultPrompt
}

// has tells whether the switch finds a file.
func (c Call) has(file string) bool {
	return !slices.Contains(c.Missing, file) && (c.Exists == nil || c.Exists(file))
}

// Run plays the switch on conn until the call leaves the peer's hands, and
// closes conn. Time runs through package time. The error is for trouble of
// the harness: a Call that cannot be played, or ctx has ended. Whatever the
// peer did is in the Result.
func (c Call) Run(ctx context.Context, conn net.Conn) (Result, error) {
	if err := c.Validate(); err != nil {
		_ = conn.Close()
		return Result{}, err
	}
	return run(ctx, c, conn)
}

// Dial does what the socket application does with its address: it connects
// and runs the call. addr is host:port, or several of them separated by |
// that are tried in order. When nobody listens the dialplan goes on at once.
func (c Call) Dial(ctx context.Context, addr string) (Result, error) {
	if err := c.Validate(); err != nil {
		return Result{}, err
	}
	conn, missed, why, err := dialFirst(ctx, addr)
	if err != nil {
		return Result{}, err
	}
	if conn == nil {
		r := Result{Vars: map[string]string{}, Answered: c.Answered, Continued: true, Release: Unreached, Unreached: why}
		r.Timeline = append(missed, Entry{Text: "nobody listens: the dialplan goes on"})
		return r, nil
	}
	r, err := run(ctx, c, conn)
	r.Timeline, r.Unreached = append(missed, r.Timeline...), why
	return r, err
}

// Validate tells what keeps the Call from being played.
func (c Call) Validate() error {
	var errs []error
	for i, a := range c.Script {
		if err := a.validate(); err != nil {
			errs = append(errs, fmt.Errorf("freeswitchtest: script: action %d: %w", i+1, err))
		}
	}
	if strings.Trim(c.Queued, keys) != "" {
		errs = append(errs, fmt.Errorf("freeswitchtest: queued: %q are not keys of a telephone", c.Queued))
	}
	for name := range c.Vars {
		if !goodName(name) {
			errs = append(errs, fmt.Errorf("freeswitchtest: vars: %q cannot be the name of a variable", name))
		}
	}
	if c.UUID != "" && !plainWord(c.UUID) {
		errs = append(errs, fmt.Errorf("freeswitchtest: %q cannot be a uuid", c.UUID))
	}
	for file, d := range c.Prompts {
		if d < 0 {
			errs = append(errs, fmt.Errorf("freeswitchtest: prompts: %q plays for %v", file, d))
		}
	}
	return errors.Join(errs...)
}
