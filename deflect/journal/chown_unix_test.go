//go:build unix

package journal_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// What root makes in the folder of another user is that user's.
func TestMadeByRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files for others")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir)
	check := func() {
		t.Helper()
		for _, name := range []string{journal.DBFile, journal.KeyFile, journal.OwnerFile} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if is := info.Sys().(*syscall.Stat_t); is.Uid != 1234 || is.Gid != 2345 {
				t.Errorf("%s is of user %d, group %d", name, is.Uid, is.Gid)
			}
		}
	}
	check()
	if err := j.Compact(); err != nil {
		t.Fatal(err)
	}
	check()
}
