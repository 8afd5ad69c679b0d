package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// A file that took the place of another, of which nobody knows whether it has the name on
// the disk too, is written anew before more depends on it: after a loss of power the other
// would be there, and not go with the log.
func TestNameNotOnDisk(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	j := open(t, dir)
	fault := errors.New("a fault")
	undo := journal.FailSyncFolder(fault)
	_, err := j.Forget(t.Context(), alice)
	undo()
	if !errors.Is(err, fault) {
		t.Errorf("Forget: %v", err)
	}
	name := filepath.Join(dir, journal.DBFile)
	was, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); !changed || err != nil {
		t.Error(changed, err)
	}
	if is, err := os.Stat(name); err != nil || os.SameFile(was, is) {
		t.Errorf("the file is the same, %v", err)
	}
	if n := lost(t, j); n > 0 {
		t.Errorf("%d records are lost", n)
	}
}
