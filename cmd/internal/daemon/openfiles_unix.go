//go:build unix

package daemon

import "syscall"

// openFiles returns how many files the process may have open, 0 for any number. The
// soft limit was raised at start, see package os.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 0
	}
	return int(limit.Cur)
}
