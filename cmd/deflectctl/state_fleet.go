package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

type stateKeyCmd struct {
	File   string `arg:"" optional:"" placeholder:"FILE" help:"File to make."`
	Config string `placeholder:"FILE" help:"Configuration of deflectd, whose redis.key_file is made."`
}

type stateOptoutCmd struct {
	stateFlags
	Number string `required:"" placeholder:"NUMBER" help:"Who is not texted any more."`
	Set    string `placeholder:"NAME" help:"The list, as a profile names it in do_not_text_redis (default: the only one)."`
	Remove bool   `help:"Take the number off the list."`
}

// Help is shown below the usage.
func (stateKeyCmd) Help() string {
	return `Makes the key of a fleet, with which numbers are hashed before they go to Redis. Every deflectd of the fleet needs the
same file: make it once, and copy it. A file that is there is never overwritten, for with another key nothing that is
in Redis would be found. Nothing is contacted.

  deflectctl state key /etc/deflectd/fleet.key`
}

// Help is shown below the usage.
func (stateOptoutCmd) Help() string {
	return `Puts a number on the fleet's do-not-text list, which is in Redis, or takes it off. It counts at once, for every deflectd:
also for offers that were made already. Redis is asked directly, with redis of the configuration; no deflectd has to run.

  deflectctl state optout --config deflectd.yaml --number +14043438646`
}

// Run makes a key.
func (c *stateKeyCmd) Run(a *app) error {
	name, err := c.name(a)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		is := "it is no key: move it away first"
		if _, err := fleet.ReadKey(name); err == nil {
			is = "copy it to each deflectd of the fleet"
		}
		return fmt.Errorf("%s is there already, and a key is never overwritten; %s", name, is)
	} else if err != nil {
		return fmt.Errorf("make the key: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s\n", hex.EncodeToString(fleet.NewKey()))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(name) //nolint:errcheck // half a key is refused
		return fmt.Errorf("make the key: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s is made. Give each deflectd of the fleet the same file (redis.key_file), and nobody else.\n", name)
	return err
}

// name is where the key goes.
func (c *stateKeyCmd) name(a *app) (string, error) {
	switch {
	case c.File != "" && c.Config != "":
		return "", usage("FILE and --config are both given: keep one")
	case c.File != "":
		return c.File, nil
	case c.Config == "":
		return "", usage("make which key? Name the file: deflectctl state key FILE")
	}
	file, err := loadKeyless(a, c.Config)
	if err != nil {
		return "", err
	}
	if file.KeyFile == "" {
		return "", usage("%s has no redis.key_file: a deflectd that shares nothing needs no key", file.Name)
	}
	return file.KeyFile, nil
}

// optedOut is what optout prints.
type optedOut struct {
	Number  string `json:"number"`
	Set     string `json:"set"`
	Held    bool   `json:"held"`    // it is on the list now
	Changed bool   `json:"changed"` // and was not before, or the other way round
}

// Run puts a number on a list of the fleet, or takes it off.
func (c *stateOptoutCmd) Run(a *app) error {
	file, err := loadKeyless(a, c.Config)
	if err != nil {
		return err
	}
	spellings, err := state.Spellings(c.Number, file.Deflect.DefaultRegion)
	if err != nil {
		return usage("--number: %w", err)
	}
	set, err := c.set(file)
	if err != nil {
		return err
	}
	f, err := openFleet(a.ctx, file)
	if err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	defer f.Close()
	out := optedOut{Number: phone.Number(c.Number).String(), Set: set, Held: !c.Remove}
	list, change := f.OptOuts(set), "is on"
	if c.Remove {
		change = "is not on"
		for _, s := range spellings { // it may have been known by any of them
			removed, err := list.Remove(a.ctx, s)
			if err != nil {
				return fmt.Errorf("the number may still be on the list: ask again: %w", err)
			}
			out.Changed = out.Changed || removed
		}
	} else if out.Changed, err = list.Add(a.ctx, spellings[0]); err != nil {
		return fmt.Errorf("the number may not be on the list: ask again: %w", err)
	}
	if c.JSON {
		return printJSON(a.stdout, out)
	}
	before := ""
	if !out.Changed {
		before = ", as before"
	}
	_, err = io.WriteString(a.stdout, fmt.Sprintf("%s %s the do-not-text list %s%s.\n", out.Number, change, set, before))
	return err
}

// set is the list that is meant.
func (c *stateOptoutCmd) set(file config.File) (string, error) {
	sets := file.Sets()
	switch known := slices.Contains(sets, c.Set); {
	case len(sets) == 0:
		return "", usage("no profile of %s has do_not_text_redis: nobody would ask the list", file.Name)
	case c.Set != "" && !known:
		return "", usage("--set: no profile asks this list; lists are %s", strings.Join(sets, ", "))
	case c.Set == "" && len(sets) > 1:
		return "", usage("which list? There are %s: name one with --set", strings.Join(sets, ", "))
	case c.Set == "":
		return sets[0], nil
	}
	return c.Set, nil
}
