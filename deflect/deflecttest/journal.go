package deflecttest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// TestJournal holds a journal to the contract of [deflect.Journal], a subtest a promise.
// newJournal is called for each of them; its journals may share what they keep, and may
// hold calls of others: the ids used here are random. What has to be closed newJournal
// closes with t.Cleanup; one that is an [io.Closer] is closed and asked after that, so that
// it is closed twice.
//
// It takes about a second of waiting and some 500 requests to the journal, of which each
// may take some ten milliseconds. Run it with the race detector. What a crash leaves is for
// tests of one's own.
func TestJournal(t *testing.T, newJournal func(t testing.TB) deflect.Journal) {
	for _, c := range journalPromises {
		t.Run(c.name, func(t *testing.T) {
			s := texts{journal: newJournal(t), id: rand.Text()}
			if err := soon(time.Minute, func() error { return c.check(t.Context(), s) }); err != nil {
				t.Error(err)
			}
		})
	}
}

var journalPromises = []struct {
	name  string
	check func(context.Context, texts) error
}{
	{"an entry is kept whole", keptWhole},
	{"an entry is changed from the state that it is in", changedFromItsState},
	{"what is noted is known at once, whatever was before", notedAtOnce},
	{"ids are apart", idsApart},
	{"an entry is its owner's", ownBytes},
	{"what has ended is forgotten in its time, and not before", forgottenInTime},
	{"what has not ended is not forgotten", notForgotten},
	{"all that has not ended is open", allOpen},
	{"of many who change at once one does", oneChange},
	{"what many change in turn is not lost", noChangeLost},
	{"who does not wait any more is let go", waitsForNobody},
	{"after its end a journal does not know", closedJournal},
}

// texts is a journal with an id of one's own in it.
type texts struct {
	journal deflect.Journal
	id      string
}

// entry is one with everything in it.
func (s texts) entry(state deflect.State) deflect.Entry {
	now := time.Now()
	e := deflect.Entry{
		ExternalCallID: s.id, State: state, Customer: "+14043438646", Policy: "sales",
		Outcome: deflect.Failed, Reason: deflect.ReasonUnreachable, CallID: "call-1",
		Since: now.Add(-1234 * time.Millisecond), Next: now.Add(time.Minute), Until: now.Add(time.Hour), Tries: 3,
		Data: []byte("{\"name\":\"Zoë\"}\x00\xff"),
	}
	if state == deflect.Ended {
		e.Next, e.Tries, e.Data = time.Time{}, 0, nil
	}
	return e
}

// differs says in what an entry is not the one that was kept. What a journal need not
// keep may be missing; clocks may be coarse.
func differs(got, want deflect.Entry, listed bool) error {
	if want.State == "" {
		if got.State != "" {
			return fmt.Errorf("it knows of %q where there is nothing", got.State)
		}
		return nil
	}
	var fields []string
	field := func(name string, same bool) {
		if !same {
			fields = append(fields, name)
		}
	}
	near := func(a, b time.Time) bool {
		return a.IsZero() == b.IsZero() && a.Sub(b).Abs() <= time.Millisecond
	}
	field("ExternalCallID", got.ExternalCallID == want.ExternalCallID)
	field("State", got.State == want.State)
	field("Customer", got.Customer == want.Customer || want.State == deflect.Ended && got.Customer == "")
	field("Policy", got.Policy == want.Policy)
	field("Outcome", got.Outcome == want.Outcome)
	field("Reason", got.Reason == want.Reason)
	field("CallID", got.CallID == want.CallID)
	field("Since", near(got.Since, want.Since))
	field("Next", near(got.Next, want.Next))
	field("Until", near(got.Until, want.Until))
	field("Tries", got.Tries == want.Tries)
	field("Data", bytes.Equal(got.Data, want.Data) || listed && want.State == deflect.Waiting && got.Data == nil)
	if fields != nil {
		return fmt.Errorf("it is in state %q, want %q, and differs in %s", got.State, want.State, strings.Join(fields, ", "))
	}
	return nil
}

// known asks for what is known of the call, in both ways.
func (s texts) known(ctx context.Context, want deflect.Entry) error {
	got, err := s.journal.Find(ctx, s.id)
	if err == nil {
		err = differs(got, want, false)
	}
	if err != nil {
		return fmt.Errorf("its answer to Find: %w", err)
	}
	open, err := s.journal.Open(ctx)
	if err != nil {
		return fmt.Errorf("its answer to Open: %w", err)
	}
	open = slices.DeleteFunc(open, func(e deflect.Entry) bool { return e.ExternalCallID != s.id })
	switch wanted := want.State != "" && want.State != deflect.Ended; {
	case !wanted && len(open) > 0:
		return fmt.Errorf("its answer to Open holds an entry in state %q, want none", open[0].State)
	case wanted && len(open) != 1:
		return fmt.Errorf("its answer to Open holds %d entries, want one", len(open))
	case wanted:
		if err := differs(open[0], want, true); err != nil {
			return fmt.Errorf("its answer to Open: %w", err)
		}
	}
	return nil
}

func (s texts) change(ctx context.Context, from deflect.State, e deflect.Entry, want bool) error {
	got, err := s.journal.Change(ctx, from, e)
	if err != nil || got != want {
		return fmt.Errorf("its answer to Change from %q to %q is %t, %v; want %t", from, e.State, got, err, want)
	}
	return nil
}

// states are those of what is known.
var states = []deflect.State{deflect.Sending, deflect.Doubted, deflect.Waiting, deflect.Ended}

func keptWhole(ctx context.Context, s texts) error {
	if err := s.known(ctx, deflect.Entry{}); err != nil {
		return fmt.Errorf("a call of nobody: %w", err)
	}
	before := deflect.State("")
	for _, state := range states {
		e := s.entry(state)
		err := inTurn(
			step{"the change", func() error { return s.change(ctx, before, e, true) }},
			step{"after it", func() error { return s.known(ctx, e) }},
		)
		if err != nil {
			return fmt.Errorf("%q: %w", state, err)
		}
		before = state
	}
	least := deflect.Entry{ExternalCallID: s.id, State: deflect.Sending}
	return inTurn(
		step{"to one with next to nothing in it", func() error { return s.change(ctx, before, least, true) }},
		step{"after it", func() error { return s.known(ctx, least) }},
	)
}

func changedFromItsState(ctx context.Context, s texts) error {
	for _, is := range append(states, "") {
		e := s.entry(is)
		s.journal.Note(e)
		for _, from := range append(states, "") {
			if from == is {
				continue
			}
			other := s.entry(deflect.Sending)
			other.CallID = "other"
			if err := errors.Join(s.change(ctx, from, other, false), s.known(ctx, e)); err != nil {
				return fmt.Errorf("in state %q: %w", is, err)
			}
		}
	}
	return nil
}

func notedAtOnce(ctx context.Context, s texts) error {
	for _, before := range append(states, "") {
		for _, state := range append(states, "") {
			s.journal.Note(s.entry(before))
			e := s.entry(state)
			e.CallID = "noted"
			s.journal.Note(e)
			if err := s.known(ctx, e); err != nil {
				return fmt.Errorf("%q, noted after %q: %w", state, before, err)
			}
		}
	}
	e := s.entry(deflect.Waiting)
	s.journal.Note(deflect.Entry{ExternalCallID: s.id})
	return inTurn(
		step{"after it was erased", func() error { return s.change(ctx, "", e, true) }},
		step{"after that", func() error { return s.known(ctx, e) }},
	)
}

// idsApart has ids that a journal which is careless with text takes for one.
func idsApart(ctx context.Context, s texts) error {
	ids := []string{"", "a", "A", "a ", " a", "ä", "ö", "a\t", "a%20", "a/b", "a:b", "a\x00", "aa", strings.Repeat("a", 255), strings.Repeat("a", 256), "\xff"}
	all, entries := make([]texts, len(ids)), make([]deflect.Entry, len(ids))
	for i := range ids {
		all[i] = texts{journal: s.journal, id: s.id + ids[i]}
		entries[i] = all[i].entry(deflect.Waiting)
		entries[i].CallID = fmt.Sprint("call-", i)
		if err := all[i].change(ctx, "", entries[i], true); err != nil {
			return fmt.Errorf("%q, after others: %w", ids[i], err)
		}
	}
	for i := range ids {
		entries[i] = deflect.Entry{ExternalCallID: all[i].id}
		s.journal.Note(entries[i])
		for j := range ids {
			if err := all[j].known(ctx, entries[j]); err != nil {
				return fmt.Errorf("%q, after %q was erased: %w", ids[j], ids[i], err)
			}
		}
	}
	return nil
}

func ownBytes(ctx context.Context, s texts) error {
	for _, keep := range []func(e deflect.Entry) error{
		func(e deflect.Entry) error { return s.change(ctx, "", e, true) },
		func(e deflect.Entry) error { s.journal.Note(e); return nil },
	} {
		e := s.entry(deflect.Doubted)
		given := e
		given.Data = bytes.Clone(e.Data)
		if err := keep(given); err != nil {
			return err
		}
		given.Data[0] = 'X'
		for range 2 {
			got, err := s.journal.Find(ctx, s.id)
			if err == nil {
				err = differs(got, e, false)
			}
			if err != nil {
				return fmt.Errorf("after its Data was changed by whoever had it: %w", err)
			}
			got.Data[0] = 'X'
		}
		s.journal.Note(deflect.Entry{ExternalCallID: s.id})
	}
	return nil
}

func forgottenInTime(ctx context.Context, s texts) error {
	e := s.entry(deflect.Ended)
	e.Until = time.Now().Add(shortCooldown)
	s.journal.Note(e)
	for {
		got, err := s.journal.Find(ctx, s.id)
		late := time.Since(e.Until)
		switch {
		case err != nil:
			return err
		case got.State == "" && late < -shortLeeway:
			return fmt.Errorf("it is forgotten %s too early", -late)
		case got.State != "" && late > longEnough:
			return fmt.Errorf("it is known %s after its Until", late)
		case got.State == "":
			e := s.entry(deflect.Sending)
			return errors.Join(s.change(ctx, "", e, true), s.known(ctx, e))
		}
		time.Sleep(shortCooldown / 20)
	}
}

func notForgotten(ctx context.Context, s texts) error {
	for _, state := range []deflect.State{deflect.Sending, deflect.Doubted, deflect.Waiting} {
		e := s.entry(state)
		e.Until = time.Now().Add(-time.Hour)
		s.journal.Note(e)
		if err := errors.Join(s.known(ctx, e), s.change(ctx, "", e, false), s.change(ctx, state, e, true)); err != nil {
			return fmt.Errorf("in state %q, after its Until: %w", state, err)
		}
	}
	return nil
}

func allOpen(ctx context.Context, s texts) error {
	all, entries := make([]texts, many), make([]deflect.Entry, many)
	for i := range all {
		all[i] = texts{journal: s.journal, id: s.id + fmt.Sprint(i)}
		entries[i] = all[i].entry(states[i%len(states)])
		if err := all[i].change(ctx, "", entries[i], true); err != nil {
			return err
		}
	}
	for i, s := range all {
		if err := s.known(ctx, entries[i]); err != nil {
			return fmt.Errorf("%q among others: %w", entries[i].State, err)
		}
		s.journal.Note(s.entry(deflect.Ended))
	}
	open, err := s.journal.Open(ctx)
	if err == nil && slices.ContainsFunc(open, func(e deflect.Entry) bool { return strings.HasPrefix(e.ExternalCallID, s.id) }) {
		err = errors.New("its answer to Open holds what has ended")
	}
	return err
}

func oneChange(ctx context.Context, s texts) error {
	for round := range rounds {
		s := s
		s.id += fmt.Sprint(round)
		var did atomic.Int32
		var winner atomic.Value
		err := atOnce(func(i int) error {
			e := s.entry(deflect.Sending)
			e.CallID = fmt.Sprint("call-", i)
			changed, err := s.journal.Change(ctx, "", e)
			if changed {
				did.Add(1)
				winner.Store(e)
			}
			return err
		})
		if err != nil {
			return err
		}
		if n := did.Load(); n != 1 {
			return fmt.Errorf("%d of %d changed it", n, many)
		}
		if err := s.known(ctx, winner.Load().(deflect.Entry)); err != nil {
			return err
		}
	}
	return nil
}

// noChangeLost has everybody take a text from where it waits, and put it back one try later.
func noChangeLost(ctx context.Context, s texts) error {
	e := s.entry(deflect.Waiting)
	e.Tries = 0
	if err := s.change(ctx, "", e, true); err != nil {
		return err
	}
	var taken, holders atomic.Int32
	err := atOnce(func(i int) error {
		for range rounds {
			changed, err := s.journal.Change(ctx, deflect.Waiting, s.entry(deflect.Sending))
			if err != nil {
				return err
			}
			if changed && holders.Add(1) != 1 {
				return errors.New("several have it")
			}
			time.Sleep(time.Millisecond) // so that others would meet it
			if !changed {
				continue
			}
			e := s.entry(deflect.Waiting)
			e.Tries = int(taken.Add(1))
			holders.Add(-1)
			if i%2 == 0 {
				s.journal.Note(e)
			} else if err := s.change(ctx, deflect.Sending, e, true); err != nil {
				return fmt.Errorf("while one has it alone: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	got, err := s.journal.Find(ctx, s.id)
	if n := int(taken.Load()); err == nil && (got.State != deflect.Waiting || got.Tries != n || n == 0) {
		err = fmt.Errorf("after it was taken %d times it is in state %q, taken %d times", n, got.State, got.Tries)
	}
	return err
}

// waitsForNobody asks for nobody any more. A journal that need not wait may answer, and
// what it says has to be so.
func waitsForNobody(ctx context.Context, s texts) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return soon(longEnough, func() error {
		if got, err := s.journal.Find(ended, s.id); err == nil && got.State != "" {
			return fmt.Errorf("asked by nobody, Find says that a call of nobody is in state %q", got.State)
		}
		e := s.entry(deflect.Sending)
		switch changed, err := s.journal.Change(ended, "", e); {
		case err == nil && !changed:
			return errors.New("asked by nobody, Change says that something is known of a call of nobody")
		case err == nil:
			if err := s.known(ctx, e); err != nil {
				return fmt.Errorf("asked by nobody, Change says that it changed: %w", err)
			}
		}
		s.journal.Note(deflect.Entry{ExternalCallID: s.id}) // whatever came of it
		if err := s.known(ctx, deflect.Entry{}); err != nil {
			return fmt.Errorf("what may have been kept, erased: %w", err)
		}
		_, _ = s.journal.Open(ended)
		return s.change(ctx, "", e, true)
	})
}

// closedJournal is a matter of journals that can end: who does not know means no text.
func closedJournal(ctx context.Context, s texts) error {
	closer, ok := s.journal.(io.Closer)
	if !ok {
		return nil
	}
	e := s.entry(deflect.Waiting)
	if err := s.change(ctx, "", e, true); err != nil {
		return err
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("its answer to Close: %w", err)
	}
	return soon(longEnough, func() error {
		if got, err := s.journal.Find(ctx, s.id); err == nil && got.State == "" {
			return errors.New("after Close, Find says that nothing is known of a call that waits")
		}
		if changed, err := s.journal.Change(ctx, deflect.Waiting, s.entry(deflect.Sending)); err == nil && changed {
			return errors.New("after Close, Change changes what nobody keeps")
		}
		if open, err := s.journal.Open(ctx); err == nil && len(open) == 0 {
			return errors.New("after Close, Open says that nothing waits")
		}
		s.journal.Note(s.entry(deflect.Ended))
		return nil
	})
}
