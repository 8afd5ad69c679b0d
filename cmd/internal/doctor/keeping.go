package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// state is about the journal.
func (e *exam) state(context.Context) []Finding {
	dir := e.file.StateDir
	switch {
	case !e.loaded:
		return e.unread()
	case dir == "":
		return warning("add to "+e.Config+":  state: {dir: /var/lib/deflectd}  and restart deflectd",
			"state.dir is not set: after a restart callers can be texted again within their cooldown, and a text in doubt stays so")
	}
	j, err := journal.OpenReadOnly(dir, journal.Options{MaxCooldowns: e.file.Deflect.MaxCooldowns})
	if err == nil {
		err = j.Close()
	}
	asRoot := fmt.Sprintf("look again as root, or as the user of deflectd: sudo deflectctl doctor --config %s", e.Config)
	locked, isLocked := errors.AsType[*journal.LockedError](err)
	switch {
	case isLocked && locked.PID != 0:
		return good("%s is in use by %s (process %d)", dir, locked.Program, locked.PID)
	case isLocked:
		return good("%s is in use", dir)
	case errors.Is(err, fs.ErrPermission):
		return skipped(asRoot, "this user may not look into %s", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return bad("do what it says; a journal that is moved away is begun anew, without what was in it", "%v", err)
	}
	is, wrong := state.Folder(dir)
	switch {
	case wrong == "":
		return good("%s %s", dir, is)
	case strings.HasPrefix(wrong, "is open to other users"):
		return warning("chmod 700 "+dir, "%s %s", dir, cutAfter(wrong, ": deflectd"))
	case strings.Contains(wrong, "is no folder"), strings.Contains(wrong, "not a directory"):
		return bad("move away what is in its place, or set state.dir to another place", "%s %s", dir, wrong)
	}
	return bad(fmt.Sprintf("make it as root for the user that deflectd runs as: install -d -m 700 -o USER %s (the unit of the package does that by itself); or %s", dir, asRoot), "%s %s", dir, wrong)
}

// Room that a disk should have.
const (
	littleRoom = 1 << 30
	noRoom     = 100 << 20
)

// disk is about the room that the journal has.
func (e *exam) disk(context.Context) []Finding {
	switch {
	case !e.loaded:
		return e.unread()
	case e.file.StateDir == "":
		return good("nothing is kept on a disk (no state.dir)")
	}
	dir := existing(e.file.StateDir)
	free, kind, err := e.Room(dir)
	if err != nil {
		return skipped("look yourself: df -h "+dir, "the room of %s is not known: %v", dir, err)
	}
	has := fmt.Sprintf("%s has %s free", dir, size(free))
	do := fmt.Sprintf("make room on it, or set state.dir to another disk: df -h %s", dir)
	const elsewhere = "stop deflectd, set state.dir to a folder on a disk of this machine, such as /var/lib/deflectd, move what is in it there, and start deflectd"
	switch {
	case kind == InMemory:
		return warning(elsewhere, "%s is in memory: when this machine starts again all is forgotten, and callers can be texted again", dir)
	case kind == OnNetwork:
		return warning(elsewhere, "%s is at another machine: a text waits until it has answered, and two deflectd may both get its lock", dir)
	case free < noRoom:
		return bad(do, "%s: when it is full no text is sent (state.required), or one can be sent twice", has)
	case free < littleRoom:
		return warning(do, "%s, and the journal grows with what waits and with cooldowns", has)
	}
	return good("%s", has)
}

// existing is a folder, or the one above it that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func size(n uint64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// answersIn is how long each answer of Redis is waited for: nobody is on the line.
const answersIn = 1500 * time.Millisecond

// redis is about what a fleet shares.
func (e *exam) redis(ctx context.Context) (found []Finding) {
	const do = "start it, open the way from here, or correct the section redis"
	switch {
	case !e.loaded:
		return e.unread()
	case e.file.Fleet == nil:
		return good("not set: right for one deflectd alone; two without it text a caller twice")
	case e.file.FleetErr != nil:
		return skipped("mend the secrets first", "its secrets cannot be read")
	}
	cfg := *e.file.Fleet
	cfg.Timeout = answersIn
	f, err := fleet.New(cfg)
	if err == nil {
		defer f.Close()
		var seen []fleet.Finding
		seen, err = f.Inspect(ctx)
		for _, s := range seen {
			what, remedy := remedyOf(s.Text)
			switch {
			case s.Severity >= slog.LevelError:
				found = append(found, bad(remedy, "%s", what)...)
			case s.Severity >= slog.LevelWarn:
				found = append(found, warning(remedy, "%s", what)...)
			default:
				found = append(found, skipped(remedy, "%s", what)...)
			}
		}
	}
	if ctx.Err() != nil {
		err = errors.New("it does not answer")
	}
	switch {
	case err != nil:
		return append(found, bad(do, "%v: callers are not texted", err)...)
	case len(found) > 0:
		return found
	}
	return good("answers, and is as a fleet needs it")
}

// remedyOf takes the last sentence of what a fleet finds, which says what to do.
func remedyOf(text string) (what, do string) {
	for _, mark := range []string{". ", ": "} {
		if i := strings.LastIndex(text, mark); i > 0 {
			return text[:i], text[i+len(mark):]
		}
	}
	return text, "see the page about a fleet"
}
