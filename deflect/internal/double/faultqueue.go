package double

import "sync"

// FaultQueue holds the faults that the next requests of one call meet. It is safe for
// concurrent use.
type FaultQueue struct {
	mu       sync.Mutex
	injected []Fault
	standing Fault
}

// Inject lets the next requests meet faults, one a request.
func (q *FaultQueue) Inject(f ...Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.injected = append(q.injected, f...)
}

// Set lets every request that no injected fault is left for meet this one. Nil ends it.
func (q *FaultQueue) Set(f *Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.standing = Fault{}
	if f != nil {
		q.standing = *f
	}
}

// Take gives the fault that a request meets.
func (q *FaultQueue) Take() Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.injected) == 0 {
		return q.standing
	}
	f := q.injected[0]
	q.injected = q.injected[1:]
	return f
}
