//go:build unix

package journal

import (
	"os"
	"syscall"
)

// chownAs gives a file to the user of a folder, if this process may.
func chownAs(name, folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	as, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || as.Uid == 0 {
		return nil
	}
	return os.Chown(name, int(as.Uid), int(as.Gid))
}
