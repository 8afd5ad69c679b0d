package double

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// RoundTrip answers a request without a socket and in the caller's goroutine.
// It fails as http.Transport does: with the cause of the request's context,
// with a connection reset by peer, with an unexpected EOF in the body.
func (s *Server) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close() // a transport must, also when it fails
	}
	if req.URL == nil || req.URL.Host == "" {
		return nil, errors.New(s.Name + ": RoundTrip: the request has no host")
	}
	ctx := req.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if !s.AnyHost && !s.isHere(req) {
		return nil, dialError(&net.DNSError{Err: "no such host", Name: req.URL.Hostname(), IsNotFound: true})
	}
	if text, asked := proof(s.Name, req); asked {
		return &http.Response{
			Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)), Request: req,
		}, nil
	}
	var a *Arrival // read when somebody asks: where nobody listens, nobody reads
	arrived := func() *Arrival {
		if a == nil {
			a = inMemory(req)
		}
		return a
	}
	f := s.API.Fault(req.URL.Path, arrived)
	if f.ConnRefused {
		if !wait(ctx, f.Delay) {
			return nil, context.Cause(ctx)
		}
		return nil, dialError(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}

	trace := tracer{httptrace.ContextClientTrace(ctx)}
	trace.connected(req.URL.Host)
	arrived()
	if a.BodyErr != nil {
		trace.wrote(a.BodyErr)
		return nil, a.BodyErr
	}
	trace.wrote(nil)
	ans := s.API.Answer(ctx, a, f)
	if !wait(ctx, ans.Delay) {
		return nil, context.Cause(ctx)
	}
	if ans.Hang {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if ans.Reset {
		return nil, resetError()
	}
	trace.answered()
	resp := ans.response(req)
	resp.Header["Date"] = s.API.Date()
	return resp, nil
}

// isHere reports whether a request goes to the configured API.
func (s *Server) isHere(req *http.Request) bool {
	return strings.EqualFold(req.URL.Scheme, s.Base.Scheme) && strings.EqualFold(req.URL.Host, s.Base.Host)
}

func (ans Answer) response(req *http.Request) *http.Response {
	resp := &http.Response{
		Status:     strconv.Itoa(ans.Status) + " " + http.StatusText(ans.Status),
		StatusCode: ans.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        ans.Header.Clone(),
		Body:          http.NoBody,
		ContentLength: int64(len(ans.Body)),
		Request:       req,
	}
	if req.Method != http.MethodHead {
		resp.Body = &memoryBody{ctx: req.Context(), src: ans.Wire(), cut: ans.Cut, stall: ans.Stall, closed: make(chan struct{})}
	}
	if ans.Stream != nil { // never for HEAD
		resp.ContentLength, resp.TransferEncoding = -1, []string{"chunked"}
		return resp
	}
	resp.Header.Set("Content-Length", strconv.Itoa(len(ans.Body)))
	return resp
}

// memoryBody is the body of an answer without a socket. As with a real one, it ends
// with the context of its request, and may be closed while it is read.
type memoryBody struct {
	ctx        context.Context
	src        io.Reader
	cut, stall bool // how it ends before its end
	closing    sync.Once
	closed     chan struct{}
}

func (b *memoryBody) Read(p []byte) (int, error) {
	if err := b.over(); err != nil {
		return 0, err
	}
	n, err := b.src.Read(p)
	if err != io.EOF || !b.cut {
		return n, err
	}
	if b.stall {
		select {
		case <-b.ctx.Done():
		case <-b.closed:
		}
		return n, b.over()
	}
	return n, io.ErrUnexpectedEOF
}

// over says why nothing can be read any more.
func (b *memoryBody) over() error {
	select {
	case <-b.closed:
		return http.ErrBodyReadAfterClose
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	default:
		return nil
	}
}

func (b *memoryBody) Close() error {
	b.closing.Do(func() { close(b.closed) })
	return nil
}

// tracer tells a client what a transport tells: a client that judges by its
// trace whether anything was sent must not be misled.
type tracer struct{ *httptrace.ClientTrace }

func (t tracer) connected(hostPort string) {
	if t.ClientTrace == nil {
		return
	}
	if t.GetConn != nil {
		t.GetConn(hostPort)
	}
	if t.GotConn != nil {
		conn, peer := net.Pipe() // something whose methods can be called
		conn.Close()
		peer.Close()
		t.GotConn(httptrace.GotConnInfo{Conn: conn})
	}
}

func (t tracer) wrote(err error) {
	if t.ClientTrace == nil {
		return
	}
	if t.WroteHeaders != nil {
		t.WroteHeaders()
	}
	if t.WroteRequest != nil {
		t.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
}

func (t tracer) answered() {
	if t.ClientTrace != nil && t.GotFirstResponseByte != nil {
		t.GotFirstResponseByte()
	}
}

// The errors carry documentation addresses (RFC 5737): there is no socket.
var (
	clientAddr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 49152}
	serverAddr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 443}
)

func dialError(cause error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: serverAddr, Err: cause}
}

func resetError() error {
	return &net.OpError{
		Op: "read", Net: "tcp", Source: clientAddr, Addr: serverAddr,
		Err: os.NewSyscallError("read", syscall.ECONNRESET),
	}
}
