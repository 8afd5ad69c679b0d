package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// machine describes where the figures come from.
func machine() (string, error) {
	model := field("/proc/cpuinfo", "model name", ":")
	if model == "" {
		model = runtime.GOARCH
	}
	system := strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`)
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d cores; %s, Linux %s; %s",
		model, runtime.NumCPU(), system, strings.TrimSpace(string(kernel)), runtime.Version()), nil
}

// field returns the value of the first line of a file that begins with a name; "" without.
func field(file, name, separator string) string {
	raw, _ := os.ReadFile(file)
	for line := range strings.Lines(string(raw)) {
		if key, value, ok := strings.Cut(line, separator); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// cpuTime is the user and system time of this process.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// processTime is the user and system time of another process so far.
func processTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	// The clock of the CPU time of a process, clock_getcpuclockid(3); /proc counts in 10 ms.
	err := unix.ClockGettime(int32(^pid<<3|2), &t)
	return time.Duration(t.Nano()), err
}

// machineTime is the time that the cores of this machine have been busy, and that they
// have been there at all, since it started. Its unit does not matter.
func machineTime() (busy, all float64) {
	raw, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(raw), "\n")
	for i, f := range strings.Fields(line) {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil || i > 8 { // the name before, and guests after, which are users too
			continue
		}
		all += n
		if i != 4 && i != 5 { // idle, waiting for a disk
			busy += n
		}
	}
	return busy, all
}

// familyTime is the CPU time of this process and the children that have ended.
func familyTime() time.Duration {
	own, _ := cpuTime()
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u) != nil {
		return own
	}
	return own + time.Duration(u.Utime.Nano()+u.Stime.Nano())
}

// resident is the resident memory of this process, in bytes.
func resident() (int64, error) {
	kb, ok := strings.CutSuffix(field("/proc/self/status", "VmRSS", ":"), " kB")
	n, err := strconv.ParseInt(kb, 10, 64)
	if !ok || err != nil {
		return 0, errors.New("/proc/self/status has no VmRSS")
	}
	return n << 10, nil
}
