package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// A second process is refused, and told who has it.
func TestLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		began := time.Now()
		j := open(t, dir)
		time.Sleep(time.Hour)
		for name, other := range map[string]func(string, journal.Options) (*journal.Journal, error){"Open": journal.Open, "OpenReadOnly": journal.OpenReadOnly} {
			start := time.Now()
			_, err := other(dir, journal.Options{})
			var locked *journal.LockedError
			if !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Program != filepath.Base(os.Args[0]) || locked.Since.Sub(began).Abs() > time.Second {
				t.Errorf("%s: %+v, %v", name, locked, err)
			} else if text := err.Error(); !strings.Contains(text, dir) || !strings.Contains(text, locked.Program) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("%s took %s", name, took)
			}
		}
		if s := stateOf(t, j, "call"); s != "" {
			t.Errorf("it is %q", s)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, journal.OwnerFile)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("nobody has it, and its owner is still named: %v", err)
		}
		open(t, dir)
	})
}

// Who writes it is not disturbed by what somebody else left, and names itself.
func TestOwnerOfBefore(t *testing.T) {
	for _, content := range []string{"", "{", `{"pid":1,"program":"other","since":"2026-01-01T00:00:00Z"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journal.OwnerFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		open(t, dir)
		var owner struct{ PID int }
		is, err := os.ReadFile(filepath.Join(dir, journal.OwnerFile))
		if err == nil {
			err = json.Unmarshal(is, &owner)
		}
		if err != nil || owner.PID != os.Getpid() {
			t.Errorf("its owner is %s, %v", is, err)
		}
	}
}

// The folder is its user's alone.
func TestFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	mode := func(name string) fs.FileMode {
		t.Helper()
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	for what, tt := range map[string]struct {
		prepare func(dir string) error
		refused bool
	}{
		"none":         {func(dir string) error { return os.Remove(dir) }, false},
		"none above":   {func(dir string) error { return os.RemoveAll(filepath.Dir(dir)) }, false},
		"an empty one": {func(dir string) error { return os.Chmod(dir, 0o755) }, false},
		"a journal's":  {func(dir string) error { filled(t, dir); return os.Chmod(dir, 0o755) }, false},
		"one being made": {func(dir string) error {
			os.Chmod(dir, 0o755)
			return os.WriteFile(filepath.Join(dir, "journal.wal.new"), nil, 0o600)
		}, false},
		"one with others":  {func(dir string) error { os.Chmod(dir, 0o755); return os.WriteFile(filepath.Join(dir, "x"), nil, 0o644) }, true},
		"a closed one":     {func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), nil, 0o644) }, false},
		"files for others": {func(dir string) error { filled(t, dir); return os.Chmod(filepath.Join(dir, journal.DBFile), 0o644) }, false},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "above", "state")
			if err := errors.Join(os.MkdirAll(dir, 0o700), tt.prepare(dir)); err != nil {
				t.Fatal(err)
			}
			j, err := journal.Open(dir, journal.Options{})
			if tt.refused {
				if err == nil || mode(dir) != 0o755 {
					t.Errorf("%v, and its mode is %o", err, mode(dir))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			j.Note(entry("call", deflect.Waiting))
			if mode(dir) != 0o700 {
				t.Errorf("its mode is %o", mode(dir))
			}
			for _, name := range []string{journal.DBFile, journal.WALFile, journal.KeyFile, journal.OwnerFile} {
				if m := mode(filepath.Join(dir, name)); m != 0o600 {
					t.Errorf("the mode of %s is %o", name, m)
				}
			}
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A folder that was moved, or copied, is the same journal.
func TestMovedFolder(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	filled(t, from)
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if n := lost(t, open(t, to)); n > 0 {
		t.Errorf("%d records are lost", n)
	}
	if n := lost(t, open(t, from)); n > 0 {
		t.Errorf("%d records are lost where it was", n)
	}
}

// An older version is made a newer one, all or nothing; a newer one is left alone.
func TestVersions(t *testing.T) {
	defer journal.SetMigrations()
	dir := t.TempDir()
	whole := filled(t, dir)
	made := 0
	ok := func(tx *bbolt.Tx) error {
		made++
		_, err := tx.CreateBucketIfNotExists([]byte("made up"))
		return err
	}
	fault := errors.New("a fault")
	journal.SetMigrations(ok, func(*bbolt.Tx) error { return fault })
	if _, err := journal.Open(dir, journal.Options{}); !errors.Is(err, fault) || made != 1 {
		t.Errorf("a migration that fails: %v, %d made", err, made)
	}
	journal.SetMigrations(ok)
	if _, err := journal.OpenReadOnly(dir, journal.Options{}); err == nil {
		t.Error("an older version is read as the newer one")
	}
	for range 2 {
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := lost(t, j); n > 0 || made != 2 || j.Records("made up") != 0 {
			t.Errorf("%d records are lost, %d made", n, made)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(filepath.Join(dir, journal.DBFile))
	if err != nil {
		t.Fatal(err)
	}
	journal.SetMigrations()
	var version *journal.VersionError
	if _, err := journal.Open(dir, journal.Options{}); !errors.As(err, &version) || version.Found != version.Known+1 || version.Known != journal.FirstVersion() {
		t.Errorf("a newer version: %v", err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, journal.DBFile)); err != nil || !bytes.Equal(after, before) || bytes.Equal(after, whole) {
		t.Errorf("the newer version was changed, %v", err)
	}
}

// A journal of version 1 had no log, and gets one.
func TestVersion1(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	db, err := bbolt.Open(filepath.Join(dir, journal.DBFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(journal.MakeVersion1), db.Close(), os.Remove(filepath.Join(dir, journal.WALFile))); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.OpenReadOnly(dir, journal.Options{}); err == nil || errors.As(err, new(*journal.DamagedError)) {
		t.Errorf("read only: %v", err)
	}
	for range 2 {
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := lost(t, j); n > 0 {
			t.Errorf("%d records are lost", n)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What only reads a journal changes nothing, and makes nothing.
func TestReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := journal.OpenReadOnly(dir, journal.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of none: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder was made: %v", err)
	}
	whole := filled(t, dir)
	j, err := journal.OpenReadOnly(dir, journal.Options{MaxCooldowns: 1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := journal.OpenReadOnly(dir, journal.Options{})
	if err != nil {
		t.Fatal("of two who read, the second: ", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if n := lost(t, j); n > 0 {
		t.Errorf("%d records are lost", n)
	}
	if all, err := j.List(t.Context()); err != nil || len(all.Texts) != someTexts*2/3 || len(all.Cooldowns) != someCooldowns {
		t.Errorf("%d texts, %d cooldowns, %v", len(all.Texts), len(all.Cooldowns), err)
	}
	j.Note(entry("call", deflect.Waiting))
	_, changeErr := j.Change(t.Context(), "", entry("call", deflect.Waiting))
	_, takeErr := j.Take(t.Context(), "sales +1", "token", time.Hour)
	_, forgetErr := j.Forget(t.Context(), "+14043430001")
	_, endErr := j.EndCooldowns(t.Context(), "+14043430001")
	for _, err := range []error{changeErr, takeErr, forgetErr, endErr, j.Cancel(t.Context(), "call-0")} {
		if !errors.Is(err, journal.ErrReadOnly) {
			t.Errorf("a change: %v", err)
		}
	}
	if err := errors.Join(j.Err(), j.Close()); err != nil {
		t.Error(err)
	}
	if is, err := os.ReadFile(filepath.Join(dir, journal.DBFile)); err != nil || !bytes.Equal(is, whole) {
		t.Errorf("its file was changed, %v", err)
	}
}
