package journal

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// LockedError says that another process has the journal.
type LockedError struct {
	Dir     string
	PID     int       // of the other, or 0 when that is not known
	Program string    // its name, or ""
	Since   time.Time // when it opened the journal, or zero
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("%s (process %d, since %s)", e.Program, e.PID, e.Since.Format(time.RFC3339))
	}
	return fmt.Sprintf("journal: %s is in use by %s: stop it, or name another folder", e.Dir, who)
}

// owner is what the file of that name holds, to name its process to others. It locks
// nothing: that does the system, which also ends the lock of a process that was killed.
type owner struct {
	PID     int       `json:"pid"`
	Program string    `json:"program"`
	Since   time.Time `json:"since"`
}

func (j *Journal) own() error {
	content, err := json.Marshal(owner{os.Getpid(), filepath.Base(os.Args[0]), time.Now().Round(0)})
	if err != nil {
		return err
	}
	if err := os.WriteFile(j.path(ownerFile), content, 0o600); err != nil {
		return err
	}
	return j.lend(ownerFile)
}

// lockedError names the other as far as it is known.
func (j *Journal) lockedError() error {
	var o owner
	content, err := os.ReadFile(j.path(ownerFile))
	if err != nil || json.Unmarshal(content, &o) != nil {
		o = owner{}
	}
	return &LockedError{j.dir, o.PID, o.Program, o.Since}
}
