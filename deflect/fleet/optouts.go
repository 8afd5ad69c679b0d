package fleet

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// OptOuts is a list of the fleet of numbers that must not be texted, a
// [deflect.DoNotText] that changes at once for all. It is kept as a set of Redis with the
// key that the prefix, "optout:" and its name make. Its members are hashes with the key of
// the fleet, of 16 characters each: a million of them take some 75 MB.
//
// A set that is not there is an empty list.
type OptOuts struct {
	f   *Fleet
	set string
}

// OptOuts is the list of a name.
func (f *Fleet) OptOuts(set string) *OptOuts { return &OptOuts{f, f.cfg.Prefix + "optout:" + set} }

// errOtherKey is about a list in which nobody would be found.
var errOtherKey = errors.New("the set of opted-out numbers in Redis was made with another key than this fleet's: nobody can be found in it; use the key_file that it was made with, or delete the set and add all numbers anew")

// Holds reports whether a number must not be texted. An error means that it is not known:
// Redis does not answer in time, or has something else in place of the set.
func (o *OptOuts) Holds(ctx context.Context, e164 string) (held bool, err error) {
	if err := checkE164(e164); err != nil {
		return false, err
	}
	ours := false
	err = o.f.do(ctx, "opted_out", func(ctx context.Context) error {
		is, err := o.f.rdb.SMIsMember(ctx, o.set, o.member(e164), o.mark()).Result()
		if err == nil && len(is) == 2 {
			held, ours = is[0], is[1]
		}
		if err == nil && !held && !ours {
			ours, err = o.empty(ctx)
		}
		return err
	})
	switch {
	case err != nil:
		return false, err
	case !held && !ours:
		return false, errOtherKey
	}
	return held, nil
}

// Add adds a number in E.164 form and reports whether it is new. After an error it may have
// been added; add it again.
func (o *OptOuts) Add(ctx context.Context, e164 string) (added bool, err error) {
	if err := checkE164(e164); err != nil {
		return false, err
	}
	today, _ := phone.Spellings(e164)
	err = o.change(ctx, "opt_out_add", func(ctx context.Context) error {
		// The mark goes first: members without one are of another key.
		if err := o.f.rdb.SAdd(ctx, o.set, o.mark()).Err(); err != nil {
			return err
		}
		add := redis.NewCmd(ctx, "sadd", o.set, o.member(today))
		err := o.f.write(ctx, o.set, add)
		added = add.Val() == written
		return err
	})
	return added && err == nil, err
}

// Remove removes a number in E.164 form, in either spelling of it, and reports whether it
// was there.
func (o *OptOuts) Remove(ctx context.Context, e164 string) (removed bool, err error) {
	if err := checkE164(e164); err != nil {
		return false, err
	}
	today, before := phone.Spellings(e164)
	members := []any{o.member(today)}
	if before != "" {
		members = append(members, o.member(before))
	}
	err = o.change(ctx, "opt_out_remove", func(ctx context.Context) error {
		n, err := o.f.rdb.SRem(ctx, o.set, members...).Result()
		removed = n > 0
		return err
	})
	return removed && err == nil, err
}

// change makes a change of a set that is not another key's.
func (o *OptOuts) change(ctx context.Context, operation string, do func(context.Context) error) error {
	ours := false
	err := o.f.do(ctx, operation, func(ctx context.Context) (err error) {
		if ours, err = o.ours(ctx); err == nil && ours {
			err = do(ctx)
		}
		return err
	})
	if err == nil && !ours {
		err = errOtherKey
	}
	return err
}

// Len is how many numbers are on the list.
func (o *OptOuts) Len(ctx context.Context) (n int, err error) {
	err = o.f.do(ctx, "opted_out", func(ctx context.Context) error {
		members, err := o.f.rdb.SCard(ctx, o.set).Result()
		n = max(0, int(members)-1) // without the mark
		return err
	})
	return n, err
}

func (o *OptOuts) member(e164 string) string { return o.f.hashes.of("o", e164) }

// mark is a member that tells with which key the set was made.
func (o *OptOuts) mark() string { return o.f.hashes.of("o mark", "") }

// ours reports whether the set was made with our key, or is yet to be made.
func (o *OptOuts) ours(ctx context.Context) (bool, error) {
	is, err := o.f.rdb.SIsMember(ctx, o.set, o.mark()).Result()
	if err == nil && !is {
		is, err = o.empty(ctx)
	}
	return is, err
}

// empty reports whether there are no members, so that it does not matter of which key.
func (o *OptOuts) empty(ctx context.Context) (bool, error) {
	n, err := o.f.rdb.SCard(ctx, o.set).Result()
	return n == 0 && err == nil, err
}

var errNotE164 = errors.New("a number for the list of opted-out numbers is not in E.164 form, a plus sign and 7 to 15 digits")

// checkE164 is an error for what has another hash than the number that is meant.
func checkE164(e164 string) error {
	digits, plus := strings.CutPrefix(e164, "+")
	if !plus || len(digits) < 7 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" || digits[0] == '0' {
		return errNotE164
	}
	return nil
}
