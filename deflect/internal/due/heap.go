// Package due orders what comes to an end, or is to be done, at a time.
package due

// Item is what a Heap orders.
type Item[E any] interface {
	Before(E) bool // it is due before another one
	Place() *int   // where it is in the heap, which the heap sets; -1 once it was taken out
}

// Heap has what is due first in front. It is a [container/heap.Interface].
type Heap[E Item[E]] []E

// Len implements [sort.Interface].
func (h Heap[E]) Len() int { return len(h) }

// Less implements [sort.Interface].
func (h Heap[E]) Less(i, j int) bool { return h[i].Before(h[j]) }

// Swap implements [sort.Interface].
func (h Heap[E]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	*h[i].Place(), *h[j].Place() = i, j
}

// Push implements [container/heap.Interface].
func (h *Heap[E]) Push(x any) {
	e := x.(E)
	*e.Place() = len(*h)
	*h = append(*h, e)
}

// Pop implements [container/heap.Interface].
func (h *Heap[E]) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*e.Place() = -1
	var none E
	(*h)[last] = none
	*h = (*h)[:last]
	return e
}
