package fleet

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"sync"
)

// KeySize is how many bytes the key of a fleet has.
const KeySize = 32

// NewKey returns a new key of a fleet. All its daemons need the same one.
func NewKey() []byte {
	key := make([]byte, KeySize)
	rand.Read(key)
	return key
}

// hashes makes keyed hashes.
type hashes struct{ pool sync.Pool }

func newHashes(key []byte) *hashes {
	key = append([]byte(nil), key...)
	return &hashes{sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// hashBytes is short, because there are millions of keys, and long enough that no two
// callers ever share one.
const hashBytes = 12

// of hashes a text of one kind; that of another kind has another hash.
func (h *hashes) of(kind, text string) string {
	m := h.pool.Get().(hash.Hash)
	defer h.pool.Put(m)
	m.Reset()
	var buf [sha256.Size + 64]byte
	m.Write(append(append(append(buf[:0], kind...), 0), text...))
	sum := m.Sum(buf[:0])
	return base64.RawURLEncoding.EncodeToString(sum[:hashBytes])
}

// key is that of Redis for something of a kind, of which it tells nothing.
func (f *Fleet) key(kind, what string) string {
	return f.cfg.Prefix + kind + ":" + f.hashes.of(kind, what)
}
