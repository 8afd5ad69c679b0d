package deflect

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBeats(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1e9, int64(ms)*1e6) }
	tests := []struct {
		name        string
		beats       []int // milliseconds
		since, asks int
		want        bool
	}{
		{"regular", []int{100, 200, 300, 400}, 50, 410, false},
		{"late, as busy machines are", []int{100, 350, 800}, 50, 1200, false},
		{"a gap", []int{100, 200, 3200, 3300}, 50, 3310, true},
		{"a gap before it began", []int{100, 200, 3200, 3300, 3400}, 3250, 3410, false},
		{"a gap that it began in", []int{100, 200, 3200}, 1000, 3210, true},
		{"a gap that no beat has ended yet", []int{100, 200}, 50, 3200, true},
		{"no beat yet", nil, 0, 90, false},
		{"no beat at all", nil, 0, 3000, true},
	}
	for _, tt := range tests {
		b := beats{last: at(0)}
		for _, ms := range tt.beats {
			b.beat(at(ms))
		}
		if got := b.slept(at(tt.since), at(tt.asks)); got != tt.want {
			t.Errorf("%s: slept %v", tt.name, got)
		}
	}
}

// The pulse beats while somebody waits, and only then.
func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pulse{missed: func(gap time.Duration) { t.Errorf("a gap of %s", gap) }}
		first := p.wait()
		time.Sleep(10 * time.Second)
		second := p.wait()
		if first.end() {
			t.Error("slept")
		}
		time.Sleep(10*time.Second + pulseEvery/2)
		if second.end() {
			t.Error("slept")
		}
		last := p.last
		time.Sleep(time.Hour)
		if p.last != last {
			t.Error("it beats although nobody waits")
		}
		if third := p.wait(); third.end() {
			t.Error("slept while nobody waited")
		}
	})
}

// A client of a bubble of synctest can be used outside of it afterwards.
func TestPulseAfterABubble(t *testing.T) {
	var p pulse
	beat := func() {
		wait := p.wait()
		wait.end()
	}
	synctest.Test(t, func(*testing.T) { beat() })
	beat()
}
