//go:build !linux

package journal

import "os"

// dataSync has on the disk what was written to a file.
func dataSync(f *os.File) error { return f.Sync() }
