//go:build !linux

package daemon

import "errors"

// Pause does nothing: elsewhere a socket that has ended its listening cannot be listened on again.
func (h *held) Pause() error { return errors.ErrUnsupported }

// Resume does nothing.
func (h *held) Resume() error { return nil }
