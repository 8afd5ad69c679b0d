//go:build !linux

package main

import (
	"errors"
	"runtime"
	"time"
)

var errNotLinux = errors.New("this benchmark reads /proc and runs on Linux only, not on " + runtime.GOOS)

func machine() (string, error) { return "", errNotLinux }

func cpuTime() (time.Duration, error) { return 0, errNotLinux }

func processTime(int) (time.Duration, error) { return 0, errNotLinux }

func machineTime() (busy, all float64) { return 0, 0 }

func familyTime() time.Duration { return 0 }

func resident() (int64, error) { return 0, errNotLinux }
