package journal

import (
	"os"
	"syscall"
)

// dataSync has on the disk what was written to a file whose size is as it was.
func dataSync(f *os.File) error {
	if err := syscall.Fdatasync(int(f.Fd())); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}
