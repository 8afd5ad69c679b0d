//go:build !windows

package wire

import "syscall"

var systemLimits []syscall.Errno
