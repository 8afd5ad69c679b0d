package esl

import "testing"

func TestBatches(t *testing.T) {
	var q batches
	push := func(commands int) *batch {
		b := newBatch(make([]Command, commands), true)
		q.push(b)
		return b
	}
	pop := func(want *batch, number int) {
		t.Helper()
		if got, i := q.pop(); got != want || i != number {
			t.Errorf("got %p %d, want %p %d", got, i, want, number)
		}
	}
	pop(nil, 0)
	first, middle, last := push(2), push(1), push(1)
	pop(first, 0)
	q.drop(middle)
	pop(first, 1)
	pop(last, 0)
	q.drop(last) // not there any more
	pop(nil, 0)

	q.drop(push(1)) // the only one
	pop(nil, 0)

	first, last = push(1), push(1)
	q.drop(last)
	next := push(1)
	pop(first, 0)
	pop(next, 0)
	if q != (batches{}) {
		t.Error("an empty queue keeps the last replies in memory")
	}
}
