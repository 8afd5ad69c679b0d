package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// Local is the Keeper of a journal of this process.
type Local struct {
	Journal *journal.Journal
	Region  string                          // of numbers without a plus sign
	Changed func(ctx context.Context) error // is told that texts were erased; optional
}

// List returns what the journal has.
func (l Local) List(ctx context.Context) (Listing, error) {
	all, err := l.Journal.List(ctx)
	if err != nil {
		return Listing{}, err
	}
	return listed(all), nil
}

// About returns what the journal has of a number.
func (l Local) About(ctx context.Context, number string) (Listing, error) {
	spellings, err := Spellings(number, l.Region)
	if err != nil {
		return Listing{}, err
	}
	var all journal.Listing
	for _, s := range spellings {
		of, err := l.Journal.About(ctx, s)
		if err != nil {
			return Listing{}, err
		}
		all.Texts, all.Cooldowns = append(all.Texts, of.Texts...), append(all.Cooldowns, of.Cooldowns...)
	}
	return listed(all), nil
}

// Forget erases a number, in each of its spellings.
func (l Local) Forget(ctx context.Context, number string) (Forgotten, error) {
	spellings, err := Spellings(number, l.Region)
	if err != nil {
		return Forgotten{}, err
	}
	all := Forgotten{Number: phone.Number(number).String()}
	var failed error
	sending := false
	for _, s := range spellings {
		f, err := l.Journal.Forget(ctx, s)
		all.Waiting, all.Doubted, all.Ended, all.Cooldowns = all.Waiting+f.Waiting, all.Doubted+f.Doubted, all.Ended+f.Ended, all.Cooldowns+f.Cooldowns
		if errors.Is(err, journal.ErrSending) {
			sending = true
		} else if err != nil {
			failed = fmt.Errorf("the number may not be forgotten, or be left in the file: mend this and ask again: %w", err)
			break
		}
	}
	// Also then texts may be gone.
	if err := errors.Join(failed, l.changed(ctx)); err != nil {
		return all, err
	}
	if sending {
		return all, &Error{http.StatusConflict, "a text to this number is just being sent: what else was known of it is forgotten; ask again in a moment"}
	}
	return all, nil
}

// Cancel drops a text that waits.
func (l Local) Cancel(ctx context.Context, externalID string) (Cancelled, error) {
	switch err := l.Journal.Cancel(ctx, externalID); {
	case errors.Is(err, journal.ErrNotWaiting):
		return Cancelled{}, notFound("no text of this id waits: it was sent, is being sent or in doubt, was given up, or is not known (deflectctl state list)")
	case err != nil:
		return Cancelled{}, err
	}
	return Cancelled{ExternalID: deflect.LogID(externalID)}, l.changed(ctx)
}

// Release ends the cooldowns of a number, in each of its spellings.
func (l Local) Release(ctx context.Context, number string) (Released, error) {
	spellings, err := Spellings(number, l.Region)
	if err != nil {
		return Released{}, err
	}
	all := Released{Number: phone.Number(number).String()}
	for _, s := range spellings {
		n, err := l.Journal.EndCooldowns(ctx, s)
		all.Cooldowns += n
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (l Local) changed(ctx context.Context) error {
	if l.Changed == nil {
		return nil
	}
	return l.Changed(ctx)
}

// Spellings returns the E.164 numbers that a number can be known by: countries changed
// those of their phones.
func Spellings(number, region string) ([]string, error) {
	e164, ok := numberplan.E164(phone.Number(number), region)
	if !ok {
		return nil, malformed(fmt.Sprintf("the number cannot be a telephone number, or could be two (region %s): give it with + and country code", region))
	}
	today, before := phone.Spellings(e164)
	if before == "" {
		return []string{today}, nil
	}
	return []string{today, before}, nil
}

// listed is what the journal has as it is shown.
func listed(all journal.Listing) Listing {
	l := Listing{Texts: []Text{}, Cooldowns: []Cooldown{}}
	slices.SortStableFunc(all.Texts, func(a, b deflect.Entry) int { return a.Since.Compare(b.Since) })
	slices.SortStableFunc(all.Cooldowns, func(a, b journal.Cooldown) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Policy, b.Policy))
	})
	for _, e := range all.Texts[:min(len(all.Texts), mostListed)] {
		t := Text{
			ExternalID: deflect.LogID(e.ExternalCallID), State: string(e.State), Number: phone.Number(e.Customer).String(),
			Profile: e.Policy, Reason: string(e.Reason), Since: e.Since.UTC(), Tries: e.Tries,
		}
		if e.State == deflect.Waiting {
			t.Next, t.Until = shown(e.Next), shown(e.Until)
		}
		l.Texts = append(l.Texts, t)
	}
	for _, c := range all.Cooldowns[:min(len(all.Cooldowns), mostListed)] {
		l.Cooldowns = append(l.Cooldowns, Cooldown{Profile: c.Policy, Number: c.Number, Until: c.Until.UTC()})
	}
	l.More = len(all.Texts) + len(all.Cooldowns) - len(l.Texts) - len(l.Cooldowns)
	return l
}

func shown(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
