package daemon

import (
	"io"
	"sync"
)

// Output is the standard output of a command. It remembers the first write that failed,
// whether or not the writer minds: a full disk must not look like success. It is safe
// for concurrent use; simulators write from several goroutines.
type Output struct {
	w   io.Writer
	mu  sync.Mutex
	err error
}

// NewOutput returns an Output that writes to w.
func NewOutput(w io.Writer) *Output { return &Output{w: w} }

// Write implements [io.Writer].
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// Err returns the error of the first write that failed, else nil.
func (o *Output) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
