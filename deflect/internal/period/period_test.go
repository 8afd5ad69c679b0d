package period

import (
	"testing"
	"time"
)

func TestWithout(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	others := []Span{{at(10), at(20)}, {at(30), at(40)}}
	for _, tt := range []struct {
		p    Span
		want []Span
	}{
		{Span{at(0), at(5)}, []Span{{at(0), at(5)}}},
		{Span{at(10), at(20)}, nil},
		{Span{at(12), at(15)}, nil},
		{Span{at(5), at(15)}, []Span{{at(5), at(10)}}},
		{Span{at(15), at(25)}, []Span{{at(20), at(25)}}},
		{Span{at(5), at(45)}, []Span{{at(5), at(10)}, {at(20), at(30)}, {at(40), at(45)}}},
	} {
		got := Without([]Span{tt.p}, others)
		if len(got) != len(tt.want) {
			t.Errorf("%v: %v, want %v", tt.p, got, tt.want)
			continue
		}
		for i := range got {
			if !got[i].From.Equal(tt.want[i].From) || !got[i].To.Equal(tt.want[i].To) {
				t.Errorf("%v: %v, want %v", tt.p, got, tt.want)
			}
		}
	}
}
