package double

import (
	"crypto/sha256"
	"sync"
)

// nonces remembers the last nonces that were used. RFC 5849, 3.3 would allow
// one again with another timestamp; the vendor says only that it may be used
// once, so the timestamp does not count here.
type nonces struct {
	mu   sync.Mutex
	keep int
	seen map[nonceID]struct{}
	ring []nonceID
	next int // where the oldest one is once the ring is full
}

// nonceID is a digest: it has the same size however long a nonce is.
type nonceID [sha256.Size]byte

func newNonces(keep int) *nonces {
	return &nonces{keep: keep, seen: make(map[nonceID]struct{})}
}

// use burns a nonce. It is false if the nonce was burned before.
func (n *nonces) use(consumerKey, token, nonce string) bool {
	id := nonceID(sha256.Sum256([]byte(percentEncode(consumerKey) + "&" + percentEncode(token) + "&" + nonce)))
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, used := n.seen[id]; used {
		return false
	}
	n.seen[id] = struct{}{}
	if len(n.ring) < n.keep {
		n.ring = append(n.ring, id)
		return true
	}
	delete(n.seen, n.ring[n.next])
	n.ring[n.next] = id
	n.next = (n.next + 1) % n.keep
	return true
}
