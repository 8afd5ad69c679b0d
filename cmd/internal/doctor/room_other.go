//go:build !linux

package doctor

import "errors"

// room is not known here.
func room(string) (uint64, Kind, error) { return 0, OnDisk, errors.ErrUnsupported }
