package journal_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// Hosts are beside the journal, also for who reads while somebody has it, and do not keep the
// folder from being the journal's alone.
func TestHosts(t *testing.T) {
	dir := t.TempDir()
	if got, err := journal.LoadHosts(dir); got != nil || err != nil {
		t.Errorf("before any: %q, %v", got, err)
	}
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"a longer one", "one"} {
		if err := j.SaveHosts([]byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := journal.LoadHosts(dir); string(got) != content || err != nil {
			t.Errorf("LoadHosts() = %q, %v, want %q", got, err, content)
		}
	}
	if err := j.SaveHosts(make([]byte, 64<<10+1)); err == nil {
		t.Error("as long as it likes")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.SaveHosts([]byte("late")); err == nil {
		t.Error("written after the end, when the folder may be another's")
	}
	if runtime.GOOS != "windows" {
		info, err := os.Stat(filepath.Join(dir, "domains.json"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v: others may read it", info, err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	j, err = journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatalf("with hosts in the folder: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
