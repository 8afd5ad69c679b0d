package daemon

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// thousands writes a number with commas.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// howMany writes a number with what it counts.
func howMany(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + more
}

// howLong writes how long something is, in its two largest units.
func howLong(d time.Duration) string {
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	var parts []string
	for i, u := range units {
		if n := d / u.of; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.of
			if i+1 < len(units) && d/units[i+1].of > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", d/units[i+1].of, units[i+1].name))
			}
			return strings.Join(parts, " ")
		}
	}
	return "0 s"
}

// milliseconds writes seconds.
func milliseconds(s float64) string {
	if s < .01 {
		return fmt.Sprintf("%.1f ms", s*1000)
	}
	if s < 1 {
		return fmt.Sprintf("%d ms", int(math.Round(s*1000)))
	}
	return fmt.Sprintf("%.1f s", s)
}

// shareOf writes how much of all something is.
func shareOf(n, all uint64) string {
	switch p := 100 * float64(n) / float64(all); {
	case n == 0:
		return ""
	case p < 1:
		return "< 1 %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}
