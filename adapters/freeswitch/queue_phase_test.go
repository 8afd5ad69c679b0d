package freeswitch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

var (
	phaseNames = []string{"noPhase", "listed", "onOffer", "inHand", "inHandAgain", "inHandGone", "inHandAnew", "takenOff"}
	stepNames  = []string{"announcedServed", "announcedInVain", "acceptPressed", "declinePressed", "callGone", "sessionOver"}
)

// phaseGrid is what every step does in every phase; "-" is impossible. A key is a yes for a
// call on offer alone, what was taken off does not come back, and a session that
// began comes to its end whatever happens to the call.
const phaseGrid = `
             announcedServed announcedInVain acceptPressed declinePressed callGone   sessionOver
noPhase      -               -               -             -              -          -
listed       onOffer         listed          -             -              takenOff   -
onOffer      onOffer         listed          inHand        listed         takenOff   -
inHand       inHandAgain     inHandAgain     -             -              inHandGone listed
inHandAgain  inHandAgain     inHandAgain     -             -              inHandGone listed
inHandGone   inHandAnew      inHandAnew      -             -              inHandGone takenOff
inHandAnew   inHandAnew      inHandAnew      -             -              inHandGone takenOff
takenOff     -               -               -             -              -          -
`

// stepsOf reads the grid.
func stepsOf(t *testing.T) map[phase]map[step]phase {
	lines := strings.Split(strings.TrimSpace(phaseGrid), "\n")
	if got := strings.Fields(lines[0]); fmt.Sprint(got) != fmt.Sprint(stepNames) || len(lines) != len(phaseNames)+1 {
		t.Fatalf("the grid has %v and %d phases", got, len(lines)-1)
	}
	grid := map[phase]map[step]phase{}
	for p, line := range lines[1:] {
		words := strings.Fields(line)
		if words[0] != phaseNames[p] || len(words) != len(stepNames)+1 {
			t.Fatalf("the grid has the line %q", line)
		}
		grid[phase(p)] = map[step]phase{}
		for s, word := range words[1:] {
			for to, name := range phaseNames {
				if name == word {
					grid[phase(p)][step(s)] = phase(to)
				}
			}
		}
	}
	return grid
}

func TestWatchedCallTakesNoImpossibleStep(t *testing.T) {
	grid := stepsOf(t)
	for p, from := range phaseNames {
		for s, name := range stepNames {
			want, possible := grid[phase(p)][step(s)]
			if got, ok := phase(p).after(step(s)); got != want || ok != possible {
				t.Errorf("%s, %s: %s, %t; want %s, %t", from, name, phaseNames[got], ok, phaseNames[want], possible)
			}
		}
	}
}

// Whatever happens to a call, in any order: one session deals with it at a time, nothing but
// a key on offer begins one, what is said of it and what is counted fit its phase.
func TestWatchedCallFitsItsPhase(t *testing.T) {
	const longest = 5
	grid := stepsOf(t)
	var walk func(before []step)
	walk = func(before []step) {
		if len(before) == longest {
			walkPhases(t, grid, before)
			return
		}
		for s := range stepNames {
			walk(append(before[:len(before):len(before)], step(s)))
		}
	}
	walk(nil)
}

func walkPhases(t *testing.T, grid map[phase]map[step]phase, steps []step) {
	m, err := newMetrics(prometheus.NewRegistry(), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWatcher(&Server{metrics: m}, nil, nil)
	key := callKey{"core", "call"}
	c := &announced{phase: listed}
	w.calls[key] = c
	var sessions []*queueLine
	defer func() {
		for _, s := range sessions {
			s.close(errOver)
		}
	}()
	names := ""
	for _, s := range steps {
		names += stepNames[s] + " "
		want, possible := grid[c.phase][s]
		was := *c
		if !possible {
			want = was.phase
		}
		kept := false
		switch s {
		case announcedServed, announcedInVain:
			if c.phase.busy() {
				w.againLocked(c, func() unlocked { return nil })
			} else {
				w.offerLocked(c, spot{}, channel{}, s == announcedServed)
			}
		case acceptPressed:
			conn := newQueueLine(nil, key.uuid, spot{}, time.Hour, nil)
			sessions = append(sessions, conn)
			w.acceptLocked(c, conn)
		case declinePressed:
			w.declineLocked(c)
		case callGone:
			w.goneLocked(key, c, hungUp)
		case sessionOver:
			kept = w.overLocked(key, c) != nil
		}
		switch again := c.phase == inHandAgain || c.phase == inHandAnew; {
		case c.phase != want:
			t.Fatalf("after %s: %s, want %s", names, phaseNames[c.phase], phaseNames[want])
		case (c.session != nil) != c.phase.busy(), c.phase.busy() && was.phase.busy() && c.session != was.session:
			t.Fatalf("after %s: %s, with the wrong session", names, phaseNames[c.phase])
		case (c.again != nil) != again:
			t.Fatalf("after %s: %s, and what was announced meanwhile does not fit", names, phaseNames[c.phase])
		case kept != (s == sessionOver && was.again != nil):
			t.Fatalf("after %s: what was announced meanwhile is lost", names)
		case (w.calls[key] == nil) != (c.phase == takenOff), (len(w.ended) == 1) != (c.phase == takenOff):
			t.Fatalf("after %s: %s, %d calls are known, %d have ended", names, phaseNames[c.phase], len(w.calls), len(w.ended))
		case c.round != was.round && (!possible || was.phase.busy()):
			t.Fatalf("after %s: a round began that did not", names)
		}
		offers := 0.0
		if c.phase == onOffer {
			offers = 1
		}
		if got := testutil.ToFloat64(m.offers); got != offers {
			t.Fatalf("after %s: %v calls count as on offer", names, got)
		}
	}
}

// What the switch was asked about a call is not taken for what it says of a later one with
// the same id, however alike the two are.
func TestRoundsOfTwoCallsDiffer(t *testing.T) {
	m, err := newMetrics(prometheus.NewRegistry(), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWatcher(&Server{metrics: m}, nil, nil)
	key, rounds := callKey{"core", "call"}, map[uint64]bool{}
	for range 2 {
		c := &announced{phase: listed}
		w.calls[key] = c
		w.offerLocked(c, spot{}, channel{}, true)
		rounds[w.roundOf(key)] = true
		w.goneLocked(key, c, hungUp)
		rounds[w.roundOf(key)] = true
	}
	if len(rounds) != 3 { // two, and that of no call
		t.Errorf("rounds %v", rounds)
	}
}

// Keys of a call in doubt wait for the end of the doubt, and no longer, whatever it ends
// with; one that was pressed without a doubt is not kept.
func TestDoubtHoldsKeysUntilItIsOver(t *testing.T) {
	var d doubt
	one, two := notice{"dtmf-digit": "1"}, notice{"dtmf-digit": "2"}
	if d.hold(one) || len(d.settle()) != 0 {
		t.Error("a key was kept without a doubt")
	}
	d.raise()
	d.raise()
	if !d.hold(one) || !d.hold(two) {
		t.Error("a key was looked at in doubt")
	}
	if held := d.settle(); len(held) != 2 || held[0].Get("DTMF-Digit") != "1" {
		t.Errorf("held %v", held)
	}
	if d.hold(one) || len(d.settle()) != 0 {
		t.Error("the doubt went on")
	}
	d.raise()
	for range 2 * maxDigits {
		d.hold(one)
	}
	if held := d.settle(); len(held) != maxDigits {
		t.Errorf("%d keys held", len(held))
	}
}
