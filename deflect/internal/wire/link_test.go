package wire

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestReadAnswer(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		size int
		end  error
		want error
	}{
		{0, nil, nil}, {40, nil, nil}, {511, nil, nil}, {512, nil, nil}, {513, nil, nil}, {40, broken, broken},
		{MaxAnswer, nil, nil}, {MaxAnswer + 1, nil, ErrLargeAnswer}, {10 * MaxAnswer, nil, ErrLargeAnswer},
	} {
		var r io.Reader = strings.NewReader(strings.Repeat("x", tt.size))
		if tt.end != nil {
			r = io.MultiReader(r, iotest.ErrReader(tt.end))
		}
		counted := &counter{r: r}
		body, err := ReadAnswer(counted)
		if err != tt.want || len(body) != min(tt.size, MaxAnswer+1) || counted.n > MaxAnswer+1 {
			t.Errorf("of %d bytes: %d read, %d given, %v", tt.size, counted.n, len(body), err)
		}
	}
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tests := map[string]time.Duration{
			"":      -1,
			"1":     time.Second,
			" 120 ": 2 * time.Minute,
			"0":     0,
			"-5":    -1,
			"1.5":   -1,
			"soon":  -1,
			"1e3":   -1,
			time.Now().UTC().Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
			time.Now().UTC().Add(-time.Hour).Format(http.TimeFormat):       0,
			"99999999999999999999": -1,
		}
		for in, want := range tests {
			if got := retryAfter(in); got != want {
				t.Errorf("retryAfter(%q) = %s, want %s", in, got, want)
			}
		}
	})
}
