//go:build !windows

package deflect

import "syscall"

var systemLimits []syscall.Errno
