package freeswitch

import "regexp"

// The strict forms. What came from a caller, a channel variable or the API gets
// into a command only if it matches one of them.
var (
	wordForm   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	digitForm  = regexp.MustCompile(`^[0-9*#]$`)
	digitsForm = regexp.MustCompile(`^[0-9*#A-D]{0,64}$`)
	numberForm = regexp.MustCompile(`^[0-9]{1,20}$`)
	taskForm   = regexp.MustCompile(`^[0-9]{1,10}$`)
	causeForm  = regexp.MustCompile(`^[A-Z0-9_]{1,64}$`)
	callIDForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
)
