package esl

import (
	"bufio"
	"bytes"
	"io"
	"testing"
	"time"
)

// frameOf returns the bytes of the first recorded frame that want accepts.
func frameOf(b *testing.B, want func(Frame) bool) []byte {
	b.Helper()
	frames, err := decodeAll(bytes.NewReader(recorded(b, "accept").received), Limits{})
	if err != io.EOF {
		b.Fatal(err)
	}
	for _, f := range frames {
		if want(f) {
			return f.Append(nil)
		}
	}
	b.Fatal("no such frame")
	return nil
}

// again gives out the same bytes for ever.
type again struct {
	data []byte
	at   int
}

func (r *again) Read(p []byte) (int, error) {
	n := copy(p, r.data[r.at:])
	r.at = (r.at + n) % len(r.data)
	return n, nil
}

// BenchmarkDecodeEvent reads a CHANNEL_EXECUTE_COMPLETE event, as the reader
// of a connection does, and asks it for what a session asks.
func BenchmarkDecodeEvent(b *testing.B) {
	raw := frameOf(b, func(f Frame) bool { return len(f.Body()) > 6800 })
	d := NewDecoder(&again{data: raw}, Limits{})
	room := make([]headerLine, 256)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		f, err := d.Decode()
		if err != nil {
			b.Fatal(err)
		}
		data, err := plainEvent(f.Body(), DefaultHeaderLines, room)
		e := Event{&data}
		if err != nil || e.Get("Application-UUID") == "" || e.Get("Application-Response") == "" {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeFrame(b *testing.B) {
	raw := frameOf(b, func(f Frame) bool { return len(f.Body()) > 6800 })
	d := NewDecoder(&again{data: raw}, Limits{})
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := d.Decode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeChannelData(b *testing.B) {
	raw := frameOf(b, func(f Frame) bool { return f.ContentType() == typeCommandReply })
	room := make([]headerLine, 256)
	d := NewDecoder(&again{data: raw}, Limits{})
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		f, err := d.Decode()
		if err != nil {
			b.Fatal(err)
		}
		if _, ok, err := replyText(asked{word: "connect"}, f); !ok {
			b.Fatal(err)
		}
		if _, err := channelData(f, room); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEventGet(b *testing.B) {
	raw := frameOf(b, func(f Frame) bool { return f.ContentType() == typeCommandReply })
	f, _ := NewDecoder(bytes.NewReader(raw), Limits{}).Decode()
	data, err := channelData(f, nil)
	if err != nil {
		b.Fatal(err)
	}
	e := Event{&data}
	for _, name := range []string{"Unique-ID", "Caller-Caller-ID-Number", "variable_deflect_skill", "variable_absent"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.Get(name)
			}
		})
	}
	b.Run("Each", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Each("variable_deflect_info_", func(string, string) bool { return true })
		}
	})
}

func BenchmarkAppendCommand(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = AppendCommand(buf[:0], Execute("offer-1", "playback", "ivr/offer.wav")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConnCall is what one call costs both ends of a loopback connection:
// the recorded bytes of a caller who accepts, in as many writes.
func BenchmarkConnCall(b *testing.B) {
	tr := recorded(b, "accept")
	var cmds []Command
	for _, wire := range tr.sent {
		cmd, _ := parseCommand(wire)
		cmds = append(cmds, cmd)
	}
	frames, err := decodeAll(bytes.NewReader(tr.received), Limits{})
	if err != io.EOF {
		b.Fatal(err)
	}
	ours, theirs := tcpPipe(b)
	c := NewConn(ours, Config{})
	defer c.Close()
	go func() {
		in := bufio.NewReader(theirs)
		for {
			for _, f := range frames {
				// A reply to each command, wherever its write ended.
				for whole := f.ContentType() != typeCommandReply; !whole; {
					line, err := in.ReadSlice('\n')
					if err != nil {
						return
					}
					whole = len(line) == 1
				}
				if _, err := theirs.Write(f.raw); err != nil {
					return
				}
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		c.pace = pace{} // another call
		for _, cmd := range cmds {
			if err := c.Post(cmd); err != nil {
				b.Fatal(err)
			}
		}
		for {
			e, err := c.Next(time.Time{})
			if err != nil {
				b.Fatal(err)
			}
			if e.Name() == DisconnectNotice {
				break
			}
		}
	}
}
