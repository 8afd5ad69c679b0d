//go:build !linux

package daemon

import "errors"

// Elsewhere a socket that has ended its listening cannot be listened on again.
func (h *held) pause() error  { return errors.ErrUnsupported }
func (h *held) resume() error { return nil }
