package livedeflecttest

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

// BenchmarkBigReport shows what making up a report costs those who read it.
func BenchmarkBigReport(b *testing.B) {
	s := New(testConfig())
	s.SetReport(Report{Big: 100_000})
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		req := askBig(b, s)
		b.StartTimer()
		resp, err := s.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(mustCount(b, resp.Body))
		resp.Body.Close()
	}
}
