package livedeflect

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// Frames of HTTP/2 (RFC 9113, 6) and codes of errors (7).
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0, 1, 3, 4, 6, 7

	codeNo, codeProtocol, codeInternal, codeRefused, codeCancel, codeCalm = 0, 1, 2, 7, 8, 11
)

func frame(kind, flags byte, stream uint32, payload ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	b = append(b, flags)
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

func goAway(last, code uint32, debug string) []byte {
	payload := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code)
	return frame(frameGoAway, 0, 0, append(payload, debug...)...)
}

func resetStream(stream, code uint32) []byte {
	return frame(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code)...)
}

// sentFrames answer that the text was sent: the first name of the static table is
// :status 200 (RFC 7541, A).
func sentFrames(stream uint32) []byte {
	return append(frame(frameHeaders, 4, stream, 0x88), frame(frameData, 1, stream, []byte(`{"callId":"473513","success":"true"}`)...)...)
}

// http2Peer is a server that answers the nth request as the test says, when it is there
// whole or as soon as its head is, and closes the connection if told.
type http2Peer struct {
	answer func(n int, stream uint32) (frames []byte, closes bool)
	early  bool
	n      atomic.Int32
}

func (p *http2Peer) serve(c net.Conn) {
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	c.Write(frame(frameSettings, 0, 0))
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(head[:])>>8)
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == frameSettings && flags&1 == 0:
			c.Write(frame(frameSettings, 1, 0))
		case kind == framePing && flags&1 == 0:
			c.Write(frame(framePing, 1, 0, payload...))
		case kind == frameHeaders && p.early, kind == frameData && flags&1 != 0 && !p.early:
			frames, closes := p.answer(int(p.n.Add(1)), stream)
			c.Write(frames)
			if closes {
				return
			}
		}
	}
}

// start returns where the peer is, and a transport that trusts it.
func (p *http2Peer) start(t *testing.T) (url string, rt http.RoundTripper) {
	t.Helper()
	lender := httptest.NewTLSServer(http.NotFoundHandler()) // of a certificate
	defer lender.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: lender.TLS.Certificates, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	tr := liveperson.NewTransport()
	tr.TLSClientConfig.RootCAs = lender.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	t.Cleanup(tr.CloseIdleConnections)
	return "https://" + ln.Addr().String(), tr
}

// TestUnprocessedStreams meets what HTTP/2 has to say that a request was not processed,
// which is proof, and what looks like it.
func TestUnprocessedStreams(t *testing.T) {
	const hint = "http2: Transport: cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY] after Request.Body was written; define Request.GetBody to avoid this error"
	for name, tt := range map[string]struct {
		proof  bool
		frames func(stream uint32) []byte
		closes bool
	}{
		"graceful shutdown, not ours":           {true, func(s uint32) []byte { return goAway(s-1, codeNo, "") }, false},
		"graceful shutdown, not ours, closed":   {true, func(s uint32) []byte { return goAway(s-1, codeNo, "") }, true},
		"shutdown in two steps":                 {true, func(s uint32) []byte { return append(goAway(1<<31-1, codeNo, ""), goAway(s-1, codeNo, "")...) }, true},
		"overload, not ours":                    {true, func(s uint32) []byte { return goAway(s-1, codeCalm, "too_many_pings") }, true},
		"refused stream":                        {true, func(s uint32) []byte { return resetStream(s, codeRefused) }, false},
		"graceful shutdown after ours, closed":  {false, func(s uint32) []byte { return goAway(s, codeNo, "") }, true},
		"overload after ours, closed":           {false, func(s uint32) []byte { return goAway(s, codeCalm, "") }, true},
		"a hint of its own":                     {false, func(s uint32) []byte { return goAway(s, codeNo, hint) }, true},
		"shutdown in one step of two, closed":   {false, func(s uint32) []byte { return goAway(1<<31-1, codeNo, "") }, true},
		"reset by protocol error":               {false, func(s uint32) []byte { return resetStream(s, codeProtocol) }, false},
		"reset by internal error":               {false, func(s uint32) []byte { return resetStream(s, codeInternal) }, false},
		"reset by cancel":                       {false, func(s uint32) []byte { return resetStream(s, codeCancel) }, false},
		"reset without error":                   {false, func(s uint32) []byte { return resetStream(s, codeNo) }, false},
		"refused stream after its head":         {false, func(s uint32) []byte { return append(frame(frameHeaders, 4, s, 0x88), resetStream(s, codeRefused)...) }, false},
		"closed without a word":                 {false, func(uint32) []byte { return nil }, true},
		"no frame, and what it says is no HTTP": {false, func(uint32) []byte { return []byte(hint) }, true},
	} {
		for _, early := range []bool{false, true} {
			for _, warm := range []bool{false, true} { // whether the connection has worked before
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					p := &http2Peer{early: early}
					struck := 1
					if warm {
						struck = 2
					}
					p.answer = func(n int, stream uint32) ([]byte, bool) {
						if n == struck {
							return tt.frames(stream), tt.closes
						}
						return sentFrames(stream), false
					}
					url, rt := p.start(t)
					client := realClient(t, url, func(c *bothConfig) { c.Transport = rt })
					if warm {
						wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
					}
					call := validCall()
					call.Accepted = time.Time{}
					res, err := client.Deflect(context.Background(), next(call))
					wanted := res.Outcome == deflect.Uncertain && res.Attempts == 1
					if tt.proof {
						wanted = res.Outcome == deflect.Sent && res.Attempts == 2
					}
					if requests := int(p.n.Load()); !wanted || requests != struck+res.Attempts-1 {
						t.Errorf("early %t, warm %t: %+v (%v) after %d requests, want proof %t", early, warm, res, err, requests, tt.proof)
					}
				})
			}
		}
	}
}

// TestNothingIsEverProcessed refuses every stream: the call fails, and may be made again.
func TestNothingIsEverProcessed(t *testing.T) {
	p := &http2Peer{answer: func(_ int, stream uint32) ([]byte, bool) { return resetStream(stream, codeRefused), false }}
	url, rt := p.start(t)
	client := realClient(t, url, func(c *bothConfig) { c.Transport = rt })
	wantResult(t, client, deflect.Failed, deflect.ReasonUnreachable, 3)
}

// TestUnprocessedOfAnother is about one of two requests of an authenticator that sends ours
// twice: what became of the other is not known.
func TestUnprocessedOfAnother(t *testing.T) {
	p := &http2Peer{}
	p.answer = func(n int, stream uint32) ([]byte, bool) {
		if n == 1 {
			return append(frame(frameHeaders, 4, stream, 0x88), resetStream(stream, codeInternal)...), false
		}
		return resetStream(stream, codeRefused), false
	}
	url, rt := p.start(t)
	client := realClient(t, url, func(c *bothConfig) { c.Transport, c.Auth = rt, twice{} })
	wantResult(t, client, deflect.Uncertain, deflect.ReasonConnectionLost, 1)
}

type twice struct{ http.RoundTripper }

func (twice) Transport(base http.RoundTripper) http.RoundTripper { return twice{base} }

func (tw twice) RoundTrip(req *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	send := func() (*http.Response, error) {
		again := req.Clone(req.Context())
		again.Body = io.NopCloser(strings.NewReader(string(text)))
		return tw.RoundTripper.RoundTrip(again)
	}
	if resp, err := send(); err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return send()
}
