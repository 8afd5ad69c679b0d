package double

// History is a list that forgets its oldest items. It is not safe for concurrent use.
type History[T any] struct {
	Keep  int
	Items []T
}

// Add takes one more item.
func (h *History[T]) Add(item T) {
	if len(h.Items) == h.Keep {
		var zero T
		h.Items[0] = zero // lets go of what it points to
		h.Items = h.Items[1:]
	}
	h.Items = append(h.Items, item)
}

// Copies returns the items, each as clone makes it.
func (h *History[T]) Copies(clone func(T) T) []T {
	out := make([]T, len(h.Items))
	for i, item := range h.Items {
		out[i] = clone(item)
	}
	return out
}
