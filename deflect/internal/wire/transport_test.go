package wire

import (
	"errors"
	"net"
	"net/http/httptrace"
	"testing"
)

// A write that is under way is no proof of nothing: it counts before it is done.
func TestWriteUnderWayCounts(t *testing.T) {
	probe := &probeConn{}
	c := &Conn{Conn: probe}
	probe.during = func() int64 { return c.written.Load() }
	c.Write([]byte("abc"))
	if probe.saw != 3 || c.written.Load() != 1 {
		t.Errorf("%d bytes counted during the write, %d after one was written", probe.saw, c.written.Load())
	}
}

// Between connections of one attempt: what moved on the first one counts.
func TestEarlierConnectionCounts(t *testing.T) {
	first, second := &Conn{}, &Conn{}
	w := &Trip{}
	trace := w.handOver()
	trace.GotConn(httptrace.GotConnInfo{Conn: first})
	first.written.Add(1)
	trace.GotConn(httptrace.GotConnInfo{Conn: second})
	if !w.left() {
		t.Error("the bytes on the first connection are forgotten")
	}
}

// ... also when the last connection says that it was not processed.
func TestEarlierConnectionIsNotUnprocessed(t *testing.T) {
	first, second := &Conn{}, &Conn{}
	w := &Trip{}
	trace := w.handOver()
	trace.GotConn(httptrace.GotConnInfo{Conn: first})
	first.written.Add(1)
	trace.GotConn(httptrace.GotConnInfo{Conn: second})
	second.written.Add(1)
	w.ended(errors.New("http2: Transport received GOAWAY from server ErrCode:ENHANCE_YOUR_CALM"))
	if !w.left() {
		t.Error("the bytes on the first connection are forgotten")
	}
}

type probeConn struct {
	net.Conn
	during func() int64
	saw    int64
}

func (p *probeConn) Write([]byte) (int, error) {
	p.saw = p.during()
	return 1, errors.New("broken pipe")
}

// What only looks like the words of net/http is no proof.
func TestUnprocessed(t *testing.T) {
	for _, text := range []string{"", "x", "http2: Transport received GOAWAY", "stream error: stream ID 3; REFUSED_STREAM"} {
		if unprocessed(errors.New(text)) {
			t.Errorf("%q is no proof", text)
		}
	}
}
