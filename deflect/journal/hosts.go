package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// hostsFile is beside the journal so that one folder has to be kept, and closed to others.
const hostsFile = "domains.json"

// mostHosts is how long it is at most.
const mostHosts = 64 << 10

// SaveHosts keeps what was told of an API's hosts, for a start at which nobody tells: in a
// file beside the journal, which its user alone may read, whole or not at all. It is for one
// at a time.
func (j *Journal) SaveHosts(content []byte) error {
	j.mu.Lock()
	closed := j.closed
	j.mu.Unlock()
	switch {
	case closed || j.readOnly:
		return fmt.Errorf("journal: write %s: %w", hostsFile, deflect.ErrClosed)
	case len(content) > mostHosts:
		return fmt.Errorf("journal: write %s: longer than %d bytes", hostsFile, mostHosts)
	}
	err := writeSynced(j.dir, hostsFile, content)
	if err == nil {
		err = j.lend(hostsFile)
	}
	if err != nil {
		return fmt.Errorf("journal: write %s: %w", hostsFile, err)
	}
	return nil
}

// LoadHosts returns what was kept by [Journal.SaveHosts] in the folder of a journal, nil when
// nothing was. It may be called while somebody writes that journal.
func LoadHosts(dir string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, hostsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, mostHosts))
	if err != nil {
		return nil, fmt.Errorf("journal: read %s: %w", hostsFile, err)
	}
	return content, nil
}
