//go:build !windows

package livedeflect

import "syscall"

var systemLimits []syscall.Errno
