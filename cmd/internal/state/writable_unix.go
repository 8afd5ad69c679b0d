//go:build unix

package state

import "syscall"

// writable reports whether this user may make files in a folder.
func writable(dir string) bool {
	const writeAndEnter = 2 | 1 // W_OK | X_OK of access(2)
	return syscall.Access(dir, writeAndEnter) == nil
}
