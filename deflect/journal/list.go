package journal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Listing is what is known at a moment, the oldest first.
type Listing struct {
	Texts     []deflect.Entry // those that have not ended, without their Data; Customer is whole: mask it
	Cooldowns []Cooldown      // the one that ends first in front
}

// Cooldown is a caller who was texted lately.
type Cooldown struct {
	Policy string
	Number string // masked as [phone.Number] prints it: the number itself is not kept
	Until  time.Time
}

// List returns what waits, is being sent, is in doubt, or is cooling down.
func (j *Journal) List(ctx context.Context) (Listing, error) { return j.list(ctx, "", nil) }

// About is List of what is known of one number.
func (j *Journal) About(ctx context.Context, e164 string) (Listing, error) {
	number := j.keys.number(e164)
	return j.list(ctx, e164, number[:])
}

func (j *Journal) list(ctx context.Context, customer string, prefix []byte) (Listing, error) {
	texts, err := j.Open(ctx)
	if err != nil {
		return Listing{}, err
	}
	texts = slices.DeleteFunc(texts, func(e deflect.Entry) bool { return prefix != nil && e.Customer != customer })
	for i := range texts {
		texts[i].Data = nil
	}
	slices.SortFunc(texts, func(a, b deflect.Entry) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ExternalCallID, b.ExternalCallID))
	})

	values, ends := map[cooldownKey][]byte{}, map[cooldownKey]time.Duration{}
	j.mu.Lock()
	for _, written := range []map[cooldownKey]*freshCooldown{j.leaving.cooldowns, j.logged.cooldowns, j.freshCooldowns} {
		for k, c := range written {
			if bytes.HasPrefix(k[:], prefix) {
				values[k] = c.value
			}
		}
	}
	for k, c := range j.byKey {
		if bytes.HasPrefix(k[:], prefix) {
			ends[k] = c.end
		}
	}
	j.mu.Unlock()
	err = j.view(ctx, func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(cooldownBucket)).Cursor()
		for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if _, fresh := values[cooldownKey(k)]; !fresh {
				values[cooldownKey(k)] = bytes.Clone(v)
			}
		}
		return nil
	})
	if err != nil {
		return Listing{}, err
	}
	var cooldowns []Cooldown
	for k, value := range values {
		end, held := ends[k]
		if until := j.start.Add(end); held && value != nil && time.Now().Before(until) {
			c, err := j.keys.openCooldown(k, value)
			if err != nil {
				return Listing{}, j.damaged(err)
			}
			c.Until = until.Round(0)
			cooldowns = append(cooldowns, c)
		}
	}
	slices.SortFunc(cooldowns, func(a, b Cooldown) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Number, b.Number))
	})
	return Listing{texts, cooldowns}, nil
}

// ErrNotWaiting says that a text does not wait: it is not known, is being sent, or has
// ended.
var ErrNotWaiting = errors.New("journal: this call has no text that waits")

// ErrSending says that of a number a text is just being sent, which is not forgotten.
var ErrSending = errors.New("journal: a text to this number is just being sent: what else was known is forgotten; ask again in a moment")

// Cancel forgets a text that waits. When there is none, the error is [ErrNotWaiting].
func (j *Journal) Cancel(ctx context.Context, externalCallID string) error {
	cancelled, err := j.Change(ctx, deflect.Waiting, deflect.Entry{ExternalCallID: externalCallID})
	if err == nil && !cancelled {
		return ErrNotWaiting
	}
	return err
}

// EndCooldowns ends all cooldowns of a number, and returns how many. It waits for the disk.
func (j *Journal) EndCooldowns(ctx context.Context, e164 string) (int, error) {
	return between(ctx, j, func() (int, error) {
		return j.dropNumber(j.keys.number(e164)), j.commit(batch{})
	})
}

// Forgotten counts what was known of a number.
type Forgotten struct {
	Waiting, Doubted, Ended, Cooldowns int
}

// Forget erases all that is known of a number, and writes the file anew, so that nothing of
// it is left there: no text is sent while that lasts, see the package's benchmarks. What
// becomes of the blocks that the file had before is up to the disk. A text that is just being sent
// is not forgotten: the error is [ErrSending] then. What it counts is forgotten also when
// there is an error.
func (j *Journal) Forget(ctx context.Context, e164 string) (Forgotten, error) {
	return between(ctx, j, func() (Forgotten, error) {
		j.await() // the file may be another then
		all, sending, err := j.forget(j.keys.number(e164))
		if err == nil {
			err = j.commit(batch{whole: true})
		}
		if err == nil {
			if err = j.compact(); err != nil {
				j.wal.due = true // which file there is now may not go with the log
			}
		}
		if err == nil {
			err = j.wal.erase()
		}
		if err == nil && sending {
			err = ErrSending
		}
		return all, err
	})
}

// forget is for the goroutine that writes: what the file has does not change meanwhile.
func (j *Journal) forget(number numberHash) (all Forgotten, sending bool, err error) {
	stored := map[textKey]*text{}
	var cooldowns []cooldownKey // also those that memory knows no more
	err = j.guarded(func() error {
		return j.db.View(func(tx *bbolt.Tx) error {
			for _, bucket := range []string{openBucket, endedBucket} {
				err := tx.Bucket([]byte(bucket)).ForEach(func(k, v []byte) (err error) {
					if isOf(v, number) {
						stored[textKey(k)], err = j.keys.openText(bucket, textKey(k), v)
					}
					return err
				})
				if err != nil {
					return err
				}
			}
			c := tx.Bucket([]byte(cooldownBucket)).Cursor()
			for k, _ := c.Seek(number[:]); bytes.HasPrefix(k, number[:]); k, _ = c.Next() {
				cooldowns = append(cooldowns, cooldownKey(k))
			}
			return nil
		})
	})
	if err != nil {
		return all, false, err
	}
	all.Cooldowns = j.dropNumber(number)
	j.mu.Lock()
	defer j.mu.Unlock()
	for k := range j.logged.upon(j.leaving).cooldowns {
		if bytes.HasPrefix(k[:], number[:]) {
			cooldowns = append(cooldowns, k)
		}
	}
	for _, k := range cooldowns {
		if j.byKey[k] == nil { // else it was taken again meanwhile
			j.freshCooldowns[k] = &freshCooldown{}
		}
	}
	maps.Copy(stored, j.logged.upon(j.leaving).texts)
	maps.Copy(stored, j.fresh)
	for k, t := range stored {
		if !isOf(t.value, number) {
			continue
		}
		switch t.State {
		case deflect.Sending:
			sending = true
			continue
		case deflect.Doubted:
			all.Doubted++
		case deflect.Waiting:
			all.Waiting++
		case deflect.Ended:
			all.Ended++
		}
		j.fresh[k] = &text{}
	}
	return all, sending, nil
}

func isOf(value []byte, number numberHash) bool {
	return len(value) >= textHead && bytes.Equal(value[headSize:textHead], number[:])
}

// between has something done between two commits, and waits for it.
func between[T any](ctx context.Context, j *Journal, do func() (T, error)) (T, error) {
	var result, none T
	done := make(chan error, 1)
	order := func() {
		var err error
		result, err = do()
		done <- err
	}
	if j.readOnly {
		return none, ErrReadOnly
	}
	select {
	case j.orders <- order:
	case <-j.ended:
		return none, ErrClosed
	case <-j.faulted:
		return none, j.Err()
	case <-ctx.Done():
		return none, fmt.Errorf("journal: %w", context.Cause(ctx))
	}
	select {
	case err := <-done:
		return result, err
	case <-j.faulted:
		return none, j.Err()
	case <-ctx.Done():
		return none, fmt.Errorf("journal: it goes on, but nobody waits: %w", context.Cause(ctx))
	}
}

// openCooldown reads what a record of a cooldown tells beside its end.
func (k keys) openCooldown(key cooldownKey, value []byte) (c Cooldown, err error) {
	rest, err := k.open(cooldownBucket, key[:], value, headSize)
	if err == nil {
		c.Policy, rest, err = cutField(rest)
	}
	if err == nil {
		c.Number, _, err = cutField(rest)
	}
	return c, err
}
