package journal_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

const (
	alice = "+14043438646"
	bob   = "+4916012345678"
)

// two has something of everything, of two people.
func two(t *testing.T, j *journal.Journal) {
	t.Helper()
	for who, number := range map[string]string{"alice": alice, "bob": bob} {
		for _, state := range []deflect.State{deflect.Sending, deflect.Doubted, deflect.Waiting, deflect.Ended} {
			e := entry(fmt.Sprintf("%s-%s", who, state), state)
			e.Customer = number
			if changed, err := j.Change(t.Context(), "", e); !changed || err != nil {
				t.Fatal(changed, err)
			}
		}
		for _, policy := range []string{"sales", "support line"} {
			if took, err := j.Take(t.Context(), policy+" "+number, "token", time.Hour); !took || err != nil {
				t.Fatal(took, err)
			}
		}
	}
}

func ids(l journal.Listing) map[string]bool {
	m := map[string]bool{}
	for _, e := range l.Texts {
		m[e.ExternalCallID] = true
	}
	for _, c := range l.Cooldowns {
		m[c.Policy+" "+c.Number] = true
	}
	return m
}

func set(of ...string) map[string]bool {
	m := map[string]bool{}
	for _, s := range of {
		m[s] = true
	}
	return m
}

// reopened runs a check on what is in memory and, after a start, on what is in the file.
func reopened(t *testing.T, dir string, j *journal.Journal, check func(t *testing.T, j *journal.Journal)) {
	t.Helper()
	check(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, open(t, dir))
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	two(t, j)
	if took, err := j.Take(t.Context(), "short "+alice, "token", time.Nanosecond); !took || err != nil {
		t.Fatal(took, err)
	}
	ofAlice := []string{"alice-sending", "alice-doubted", "alice-waiting", "sales ***46", "support line ***46"}
	reopened(t, dir, j, func(t *testing.T, j *journal.Journal) {
		all, err := j.List(t.Context())
		want := set(append(ofAlice, "bob-sending", "bob-doubted", "bob-waiting", "sales ***78", "support line ***78")...)
		if diff := cmp.Diff(want, ids(all)); diff != "" || err != nil {
			t.Errorf("List: %v\n%s", err, diff)
		}
		for _, e := range all.Texts {
			if e.Data != nil || e.Customer != alice && e.Customer != bob {
				t.Errorf("%s has data %q, customer %q", e.ExternalCallID, e.Data, e.Customer)
			}
		}
		for _, c := range all.Cooldowns {
			if left := time.Until(c.Until); left > time.Hour || left < 59*time.Minute {
				t.Errorf("%s for %s", c.Policy, left)
			}
		}
		about, err := j.About(t.Context(), alice)
		if diff := cmp.Diff(set(ofAlice...), ids(about)); diff != "" || err != nil {
			t.Errorf("About: %v\n%s", err, diff)
		}
	})
}

func TestCancel(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	two(t, j)
	for _, id := range []string{"nobody", "alice-sending", "alice-doubted", "alice-ended"} {
		if err := j.Cancel(t.Context(), id); !errors.Is(err, journal.ErrNotWaiting) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := j.Cancel(t.Context(), "alice-waiting"); err != nil {
		t.Error(err)
	}
	reopened(t, dir, j, func(t *testing.T, j *journal.Journal) {
		about, err := j.About(t.Context(), alice)
		if diff := cmp.Diff(set("alice-sending", "alice-doubted", "sales ***46", "support line ***46"), ids(about)); diff != "" || err != nil {
			t.Errorf("About: %v\n%s", err, diff)
		}
	})
	if err := j.Cancel(t.Context(), "bob-waiting"); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("after its end: %v", err)
	}
}

func TestEndCooldowns(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	two(t, j)
	if n, err := j.EndCooldowns(t.Context(), alice); n != 2 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
	if n, err := j.EndCooldowns(t.Context(), alice); n != 0 || err != nil {
		t.Errorf("again: %d ended, %v", n, err)
	}
	reopened(t, dir, j, func(t *testing.T, j *journal.Journal) {
		for key, want := range map[string]bool{"sales " + alice: false, "support line " + alice: false, "sales " + bob: true} {
			if held, err := j.Held(t.Context(), key); held != want || err != nil {
				t.Errorf("%s: %t, %v", key, held, err)
			}
		}
	})
	if _, err := j.EndCooldowns(t.Context(), alice); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("after its end: %v", err)
	}
}

// Of whom is forgotten nothing is left, in memory or in the file: neither a record nor the
// hash of the number. Of others nothing is lost.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	two(t, j)
	for i := range someCooldowns { // so that there is more than a page
		j.Note(textOf(i))
		if _, err := j.Take(t.Context(), cooldownOf(i), "token", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	hash := j.HashOf(alice)
	want := journal.Forgotten{Waiting: 1, Doubted: 1, Ended: 1, Cooldowns: 2}
	if got, err := j.Forget(t.Context(), alice); !errors.Is(err, journal.ErrSending) || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if s := stateOf(t, j, "alice-sending"); s != deflect.Sending {
		t.Errorf("what is being sent is %q", s)
	}
	j.Note(deflect.Entry{ExternalCallID: "alice-sending", State: deflect.Ended, Customer: alice, Until: time.Now().Add(time.Hour)})
	if got, err := j.Forget(t.Context(), alice); err != nil || got != (journal.Forgotten{Ended: 1}) {
		t.Errorf("when it is sent: %+v, %v", got, err)
	}
	if content, err := os.ReadFile(filepath.Join(dir, journal.DBFile)); err != nil || bytes.Contains(content, hash) || !bytes.Contains(content, j.HashOf(bob)) {
		t.Errorf("the hash of the number is in the file still, or that of another is not, %v", err)
	}
	if content, err := os.ReadFile(filepath.Join(dir, journal.WALFile)); err != nil || bytes.Contains(content, hash) {
		t.Errorf("the hash of the number is in the log still, %v", err)
	}
	reopened(t, dir, j, func(t *testing.T, j *journal.Journal) {
		for _, state := range []string{"sending", "doubted", "waiting", "ended"} {
			if s := stateOf(t, j, "alice-"+state); s != "" {
				t.Errorf("alice's is %q", s)
			}
			if s := stateOf(t, j, "bob-"+state); string(s) != state {
				t.Errorf("bob's is %q, want %q", s, state)
			}
		}
		if about, err := j.About(t.Context(), alice); err != nil || len(ids(about)) > 0 {
			t.Errorf("known is %v, %v", about, err)
		}
		if n := j.Cooling(); n != someCooldowns+2 {
			t.Errorf("%d cooldowns, want %d", n, someCooldowns+2)
		}
	})
}

// Of who stopped waiting nothing is told, and what was asked for is done.
func TestForgetForNobody(t *testing.T) {
	onDisk(t, func(t *testing.T, _ string, j *journal.Journal, d *disk) {
		if _, err := j.Take(t.Context(), "sales "+alice, "token", time.Hour); err != nil {
			t.Fatal(err)
		}
		d.hang = make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, err := j.Forget(ctx, alice); !errors.Is(err, context.DeadlineExceeded) || got != (journal.Forgotten{}) {
			t.Errorf("%+v, %v", got, err)
		}
		close(d.hang)
		synctest.Wait()
		if n := j.Cooling(); n != 0 {
			t.Errorf("%d cooldowns", n)
		}
	})
}

// After all that can be done, the files hold no number in any spelling, no name, no text
// and no id.
func TestNothingToRead(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	e := deflect.Entry{
		ExternalCallID: "external-id-4711", Customer: alice, Policy: "policyname", Outcome: deflect.Deferred, Reason: deflect.ReasonUnreachable,
		CallID: "callid-0815", Since: time.Now(), Until: time.Now().Add(time.Hour),
		Data: []byte(`{"first_name":"Esmeralda","text":"your order is ready","dnis":"+18005550100"}`),
	}
	secrets := []string{"external-id-4711", "callid-0815", "policyname", "Esmeralda", "order", "first_name", "unreachable", "deferred"}
	for _, n := range []string{alice, "+18005550100"} {
		for _, digits := range []string{n, n[1:], n[2:], n[5:], "00" + n[1:], n[2:5] + "-" + n[5:8] + "-" + n[8:], "(" + n[2:5] + ") " + n[5:8]} {
			secrets = append(secrets, digits, hex.EncodeToString([]byte(digits)))
		}
	}
	grep := func(when string) {
		t.Helper()
		files, err := os.ReadDir(dir)
		if err != nil || len(files) < 2 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			content, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range secrets {
				if bytes.Contains(bytes.ToLower(content), bytes.ToLower([]byte(s))) {
					t.Errorf("%s: %s holds %q", when, f.Name(), s)
				}
			}
		}
	}
	for _, from := range []deflect.State{"", deflect.Sending, deflect.Doubted, deflect.Waiting} {
		e.State = map[deflect.State]deflect.State{"": deflect.Sending, deflect.Sending: deflect.Doubted, deflect.Doubted: deflect.Waiting, deflect.Waiting: deflect.Ended}[from]
		if changed, err := j.Change(t.Context(), from, e); !changed || err != nil {
			t.Fatal(changed, err)
		}
		if took, err := j.Take(t.Context(), "policyname "+alice, string(e.State), time.Hour); took != (from == "") || err != nil {
			t.Fatal(took, err)
		}
		grep(string(e.State))
	}
	if err := j.Compact(); err != nil {
		t.Error(err)
	}
	grep("compacted")
	e.ExternalCallID, e.State = "external-id-4712", deflect.Waiting
	j.Note(e)
	if err := j.Cancel(t.Context(), e.ExternalCallID); err != nil {
		t.Error(err)
	}
	if err := j.Release(t.Context(), "policyname "+alice, "sending"); err != nil {
		t.Error(err)
	}
	grep("cancelled and released")
	if _, err := j.Forget(t.Context(), alice); err != nil {
		t.Error(err)
	}
	grep("forgotten")
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	grep("closed")
}

// One text written twice is not the same bytes twice, and a record in another's place is
// refused.
func TestSealed(t *testing.T) {
	if err := journal.CheckSeals(); err != nil {
		t.Error(err)
	}
}
