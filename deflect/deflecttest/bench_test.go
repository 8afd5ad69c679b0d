package deflecttest

import (
	"io"
	"testing"
)

// BenchmarkRoundTrip shows what the double itself costs in the benchmarks of
// those who use it.
func BenchmarkRoundTrip(b *testing.B) {
	s := New(testConfig())
	body := testBody(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		req := request(b, b.Context(), s, body)
		b.StartTimer()
		resp, err := s.RoundTrip(req)
		if err != nil || resp.StatusCode != 200 {
			b.Fatal(resp, err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}
