package journal

import (
	"os"
	"syscall"
)

// dataSync has on the disk what was written to a file whose size is as it was.
func dataSync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		switch err {
		case nil:
			return nil
		case syscall.EINTR: // by a file system over a network
			continue
		}
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
}
