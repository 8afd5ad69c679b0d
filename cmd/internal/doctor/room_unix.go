//go:build linux || darwin

package doctor

import "syscall"

// room is what a user has free on the file system of a folder.
func room(dir string) (free uint64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}
