package wire

import (
	"net/http"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	asked := time.Date(2026, 5, 1, 12, 0, 0, 500e6, time.UTC)
	heard := asked.Add(2 * time.Second)
	tests := []struct {
		date string
		want time.Time // what the API's clock showed when ours showed heard; zero when nobody knows
	}{
		{"Fri, 01 May 2026 12:00:01 GMT", heard},
		{"Fri, 01 May 2026 11:59:56 GMT", heard},
		{"Fri, 01 May 2026 12:00:07 GMT", heard},
		{"Fri, 01 May 2026 13:00:02 GMT", time.Date(2026, 5, 1, 13, 0, 2, 0, time.UTC)},
		{"Fri, 01 May 2026 11:00:00 GMT", time.Date(2026, 5, 1, 11, 0, 3, 0, time.UTC)},
		{"", time.Time{}},
		{"soon", time.Time{}},
		{"Fri, 01 May 1926 11:00:00 GMT", time.Time{}},
	}
	for _, tt := range tests {
		var c Clock
		c.Hear(http.Header{"Date": {tt.date}}, asked, heard)
		r := c.last.Load()
		switch {
		case r == nil:
			if !tt.want.IsZero() {
				t.Errorf("%q was not heard", tt.date)
			}
		case !r.Show(heard).Equal(tt.want) || !r.Show(heard.Add(time.Hour)).Equal(tt.want.Add(time.Hour)):
			t.Errorf("%q: %v, want %v", tt.date, r.Show(heard), tt.want)
		}
	}
}
