package double

import (
	"fmt"
	"testing"
)

func TestNoncesAreBounded(t *testing.T) {
	t.Parallel()
	n := newNonces(3)
	for i := range 10 {
		if !n.use("key", "token", fmt.Sprint(i)) {
			t.Errorf("nonce %d was used before", i)
		}
	}
	if len(n.seen) != 3 || len(n.ring) != 3 {
		t.Errorf("got %d and %d remembered, want 3", len(n.seen), len(n.ring))
	}
	for _, i := range []int{7, 8, 9} {
		if n.use("key", "token", fmt.Sprint(i)) {
			t.Errorf("nonce %d is forgotten", i)
		}
	}
	if !n.use("key", "other token", "9") || !n.use("other key", "token", "9") || !n.use("key", "token", "0") {
		t.Error("a nonce of another key, another token, or long ago is taken for used")
	}
}
