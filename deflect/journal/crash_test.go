package journal_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

const crashDir = "JOURNAL_TEST_CRASH_DIR"

var background = context.Background()

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// writeUntilKilled tells of what is kept as soon as that is told.
func writeUntilKilled(dir string) {
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var all sync.WaitGroup
	var out sync.Mutex
	tell := func(what, id string) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(what, id)
	}
	for range 8 {
		all.Go(func() {
			for {
				id := fmt.Sprint(rand.Uint64())
				if took, err := j.Take(background, "sales "+id, "token", time.Hour); !took || err != nil {
					tell("error", "take")
				}
				e := entry(id, deflect.Sending)
				if rand.N(10) == 0 { // so that the rounds of the log are short
					e.Data = make([]byte, rand.N(300_000))
				}
				if changed, err := j.Change(background, "", e); !changed || err != nil {
					tell("error", "change")
				}
				tell("sending", id)
				if rand.N(3) == 0 {
					if changed, err := j.Change(background, deflect.Sending, entry(id, deflect.Waiting)); !changed || err != nil {
						tell("error", "change")
					}
					tell("waiting", id)
				}
				j.Note(entry(id, deflect.Ended))
			}
		})
	}
	all.Wait()
}

// A process is killed at any moment, again and again: whatever it told to be kept is
// there, and the cooldown that was taken before.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	told := map[string]deflect.State{}
	for life := range 8 / min(lessWork, 2) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		n, most := 0, 1+rand.IntN(300)
		for lines := bufio.NewScanner(out); lines.Scan(); n++ {
			what, id, _ := strings.Cut(lines.Text(), " ")
			if what == "error" {
				t.Errorf("life %d: %s", life, lines.Text())
			}
			told[id] = deflect.State(what)
			if n == most {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		if n < most {
			t.Fatalf("life %d ended on its own", life)
		}
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for id, least := range told {
			s := stateOf(t, j, id)
			if s == "" || s == deflect.Sending && least != deflect.Sending {
				t.Errorf("life %d: a text that was told to be %q is %q", life, least, s)
			}
			if held, err := j.Held(t.Context(), "sales "+id); !held || err != nil {
				t.Errorf("life %d: its cooldown is held: %t, %v", life, held, err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) < 100 {
		t.Errorf("%d texts in all", len(told))
	}
}
