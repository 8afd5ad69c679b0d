package fleet

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"strings"
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

const maxKeyFile = 4096

// ReadKey reads the key of a fleet from a file: one line, of 64 hexadecimal digits or in
// base64. A file that everybody on the machine can write holds no secret, and is an error.
func ReadKey(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the key of the fleet cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("the key of the fleet cannot be read: %w", err)
	case info.IsDir():
		return nil, errors.New("the key of the fleet cannot be read: it is a directory")
	case runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o002 != 0:
		return nil, errors.New("the key of the fleet can be changed by every user of this machine: make a new one, in a file of mode 600")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("the key of the fleet cannot be read: %w", err)
	}
	return parseKey(string(text))
}

func parseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if key, err := hex.DecodeString(text); err == nil && len(key) == KeySize {
		return key, nil
	}
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	if key, err := base64.RawStdEncoding.Strict().DecodeString(plain); err == nil && len(key) == KeySize && !strings.ContainsAny(text, "\r\n") {
		return key, nil
	}
	return nil, fmt.Errorf("the file holds no key of a fleet, which is one line of %d hexadecimal digits, or as many bytes in base64", 2*KeySize)
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
