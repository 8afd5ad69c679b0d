package livedeflect

import "fmt"

// APIError is an answer of the API that is not a success.
type APIError struct {
	Status  int    // HTTP status
	Message string // the answer's error or message, cleaned, cut to 256 bytes, digits masked; may be empty
	Err     error  // why the answer could not be read, or nil
}

func (e *APIError) Error() string {
	s := fmt.Sprintf("HTTP %d", e.Status)
	if e.Message != "" {
		s += fmt.Sprintf(" %q", e.Message)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns why the answer could not be read.
func (e *APIError) Unwrap() error { return e.Err }
