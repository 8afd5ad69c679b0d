package journal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

type (
	textKey     [16]byte // the hash of an external id
	cooldownKey [24]byte // the hash of a number, then that of a policy: a number's are side by side
	numberHash  [16]byte
)

// keys are derived from that of the journal, one for each use.
type keys struct {
	texts, numbers, policies, seals, check []byte
}

func newKeys(secret []byte) keys {
	derive := func(use string) []byte {
		key, err := hkdf.Key(sha256.New, secret, nil, "deflect journal 1: "+use, sha256.Size)
		if err != nil {
			panic(err) // lengths are constants
		}
		return key
	}
	return keys{derive("external ids"), derive("numbers"), derive("policies"), derive("seals"), derive("check")}
}

func hash(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func (k keys) text(externalCallID string) textKey { return textKey(hash(k.texts, externalCallID)[:16]) }

func (k keys) number(e164 string) numberHash { return numberHash(hash(k.numbers, e164)[:16]) }

// cooldown is the key of one in the file. What stands before the last blank is a policy,
// and what stands after it a number.
func (k keys) cooldown(key string) (hashed cooldownKey, policy, number string) {
	i := strings.LastIndexByte(key, ' ') + 1
	h := k.number(key[i:])
	copy(hashed[:], h[:])
	copy(hashed[len(h):], hash(k.policies, key[:i]))
	return hashed, strings.TrimSuffix(key[:i], " "), key[i:]
}

// aead has a key for each record, so that it does not matter how often which is written.
func (k keys) aead(bucket string, key []byte) cipher.AEAD {
	own, err := hkdf.Expand(sha256.New, k.seals, bucket+" "+string(key), 32)
	if err != nil {
		panic(err) // lengths are constants
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// head is what of a record is not sealed: its format, when it is over, and whose it is.
type head []byte

const (
	format      = 1
	headSize    = 1 + 8
	textHead    = headSize + len(numberHash{})
	sealedExtra = 12 + 16 // of AES-GCM: nonce and tag
)

var errRecord = errors.New("a record cannot be read")

func newHead(until time.Time) head {
	return binary.BigEndian.AppendUint64(head{format}, uint64(nano(until)))
}

// headOf returns the head of a record of any kind, which may be damaged.
func headOf(value []byte) head {
	if len(value) < headSize || value[0] != format {
		return nil
	}
	return value[:headSize]
}

func (h head) until() time.Time { return fromNano(int64(binary.BigEndian.Uint64(h[1:]))) }

// over is false for what is damaged.
func (h head) over(now time.Time) bool { return h != nil && !now.Before(h.until()) }

// seal returns a record: its head, and the rest sealed.
func (k keys) seal(bucket string, key, head, rest []byte) []byte {
	return k.aead(bucket, key).Seal(head, nil, rest, append([]byte(bucket), head...))
}

func (k keys) open(bucket string, key, value []byte, headSize int) ([]byte, error) {
	if len(value) < headSize+sealedExtra || value[0] != format {
		return nil, errRecord
	}
	rest, err := k.aead(bucket, key).Open(nil, nil, value[headSize:], append([]byte(bucket), value[:headSize]...))
	if err != nil {
		return nil, errRecord
	}
	return rest, nil
}

// sealText makes a record of an entry. Of one that has ended it keeps no more than is told
// of it.
func (k keys) sealText(key textKey, e deflect.Entry) *text {
	t := &text{Entry: e}
	if e.State == "" {
		return t
	}
	bucket := openBucket
	number := k.number(e.Customer)
	if e.State == deflect.Ended {
		bucket = endedBucket
		t.ExternalCallID, t.Customer, t.Data = "", "", nil
	}
	var rest []byte
	for _, s := range []string{string(t.State), t.ExternalCallID, t.Customer, t.Policy, string(t.Outcome), string(t.Reason), t.CallID} {
		rest = appendField(rest, s)
	}
	for _, n := range []int64{nano(t.Since), nano(t.Next), int64(t.Tries)} {
		rest = binary.AppendVarint(rest, n)
	}
	rest = append(rest, t.Data...)
	if t.Data = rest[len(rest)-len(t.Data):]; len(t.Data) == 0 {
		t.Data = nil
	}
	t.value = k.seal(bucket, key[:], append(newHead(t.Until), number[:]...), rest)
	return t
}

// openText reads a record.
func (k keys) openText(bucket string, key textKey, value []byte) (*text, error) {
	rest, err := k.open(bucket, key[:], value, textHead)
	if err != nil {
		return nil, err
	}
	t := &text{value: append([]byte(nil), value...)}
	var state, outcome, reason string
	var since, next, tries int64
	for _, s := range []*string{&state, &t.ExternalCallID, &t.Customer, &t.Policy, &outcome, &reason, &t.CallID} {
		if *s, rest, err = cutField(rest); err != nil {
			return nil, err
		}
	}
	for _, n := range []*int64{&since, &next, &tries} {
		size := 0
		if *n, size = binary.Varint(rest); size <= 0 {
			return nil, errRecord
		}
		rest = rest[size:]
	}
	t.State, t.Outcome, t.Reason = deflect.State(state), deflect.Outcome(outcome), deflect.Reason(reason)
	t.Since, t.Next, t.Until, t.Tries = fromNano(since), fromNano(next), headOf(value).until(), int(tries)
	if len(rest) > 0 {
		t.Data = rest
	}
	return t, nil
}

func appendField(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutField(b []byte) (field string, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, errRecord
	}
	b = b[size:]
	return string(b[:n]), b[n:], nil
}

// nano is a time as it is kept. 0 stands for none.
func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
