package esl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// tight limits let a fuzzer reach them.
var tight = Limits{HeaderLines: 6, HeaderBytes: 200, BodyBytes: 300}

func addFrames(f *testing.F, add func(data []byte)) {
	for _, s := range []string{
		"", "\n", reply("+OK") + event("DTMF", "DTMF-Digit: 1"), "Content-Type: log/data\nContent-Length: 3\n\nabc",
		"Content-Type: log/data\r\nContent-Length: 03\r\n\r\nabc", "Content-Type: text/html\n\n",
		"Content-Type: log/data\nContent-Length: -1\n\n", "Content-Type: log/data\nContent-Length: 301\n\n",
		strings.Repeat("x", 300), strings.Repeat("a:\n", 10), "Content-Type: log/data\nA: \x00\n\n",
	} {
		add([]byte(s))
	}
	// Long seeds are slow to minimize; the transcripts are tested whole
	// elsewhere.
	seen := map[string]bool{}
	for _, tr := range transcripts(f) {
		frames, _ := decodeAll(bytes.NewReader(tr.received), Limits{})
		for _, fr := range frames {
			if key := fmt.Sprint(fr.ContentType(), fr.head); len(fr.raw) < 300 && !seen[key] {
				seen[key] = true
				add(fr.raw)
			}
		}
	}
}

// FuzzDecodeSplit: wherever a stream is cut, it holds the same frames and ends
// with the same error.
func FuzzDecodeSplit(f *testing.F) {
	addFrames(f, func(data []byte) {
		f.Add(data, []byte{1}, false)
		f.Add(data, []byte{7, 0, 200}, true)
	})
	f.Fuzz(func(t *testing.T, data, cuts []byte, low bool) {
		var lim Limits
		if low {
			lim = tight
		}
		want, wantErr := decodeAll(bytes.NewReader(data), lim)
		var parts [][]byte
		rest := data
		for i := 0; len(rest) > 0; i++ {
			n := len(rest)
			if len(cuts) > 0 {
				n = min(n, int(cuts[i%len(cuts)])+1)
			}
			parts = append(parts, rest[:n])
			rest = rest[n:]
		}
		got, err := decodeAll(&cutReader{parts}, lim)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("error %v, want %v", err, wantErr)
		}
		if !sameFrames(got, want) {
			t.Errorf("%d other frames, want %d", len(got), len(want))
		}
		if n := len(encodeAll(want)); !bytes.Equal(encodeAll(want), data[:n]) {
			t.Error("the frames are not what was sent")
		}
	})
}

// FuzzFrameRoundTrip: a frame written by hand decodes to its parts and encodes
// to the same bytes, and the one behind it is not touched.
func FuzzFrameRoundTrip(f *testing.F) {
	f.Add(byte(0), "Reply-Text", "+OK", []byte(nil), false)
	f.Add(byte(3), "A", "b:c ", []byte("a\n\nb\x00"), true)
	f.Fuzz(func(t *testing.T, kind byte, name, value string, body []byte, crlf bool) {
		types := []string{typeCommandReply, typeEventPlain, typeDisconnectNotice, typeAPIResponse,
			typeAuthRequest, typeEventJSON, typeEventXML, typeRudeRejection, typeLogData}
		if name == "" || strings.ContainsAny(name, ":\r\n\x00") || strings.ContainsAny(value, "\r\n\x00") ||
			strings.EqualFold(name, "content-length") || strings.EqualFold(name, "content-type") ||
			len(name)+len(value) > 1000 || len(body) > DefaultBodyBytes {
			return // not a frame
		}
		contentType := types[int(kind)%len(types)]
		wire := fmt.Sprintf("%s: %s\nContent-Type: %s\nContent-Length: %d\n\n", name, value, contentType, len(body))
		if crlf {
			wire = strings.ReplaceAll(wire, "\n", "\r\n")
		}
		wire += string(body)
		frames, err := decodeAll(strings.NewReader(wire+wire), Limits{})
		if err != io.EOF || len(frames) != 2 {
			t.Fatalf("%d frames, error %v", len(frames), err)
		}
		for _, fr := range frames {
			got, ok := fr.Header(strings.ToUpper(strings.ToValidUTF8(name, "")))
			if strings.ToValidUTF8(name, "") == name && isASCII(name) && (!ok || got != strings.TrimLeft(value, " \t")) {
				t.Errorf("header %q: %q, %v; want %q", name, got, ok, value)
			}
			if fr.ContentType() != contentType || !bytes.Equal(fr.Body(), body) {
				t.Errorf("type %q, body %q", fr.ContentType(), fr.Body())
			}
			if string(fr.Append(nil)) != wire {
				t.Errorf("encoded %q, want %q", fr.Append(nil), wire)
			}
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f })
}

// FuzzDecodeAllocation: whatever comes, the decoder holds no more memory than
// the limits allow, and none that the bytes so far do not justify.
func FuzzDecodeAllocation(f *testing.F) {
	addFrames(f, func(data []byte) { f.Add(data, byte('x'), uint16(500)) })
	f.Add([]byte("Content-Type: log/data\nContent-Length: 262144\n\n"), byte('\n'), uint16(3))
	f.Add([]byte("Content-Type: log/data\nContent-Length: 100000\n\n"), byte(0), uint16(60000))
	f.Fuzz(func(t *testing.T, start []byte, fill byte, step uint16) {
		for _, lim := range []Limits{{}, tight} {
			src := &endless{start: start, fill: fill, step: int(step)}
			src.d = NewDecoder(src, lim)
			var err error
			for err == nil && src.read < 1<<21 {
				_, err = src.d.Decode()
			}
			lim = lim.withDefaults()
			if most := max(mediumBuffer, lim.HeaderBytes+lim.BodyBytes); src.held > most {
				t.Errorf("held %d bytes, limits allow %d", src.held, most)
			}
			if src.tooMuch > 0 {
				t.Errorf("held %d bytes without a need", src.tooMuch)
			}
		}
	})
}

// FuzzCommand: whatever the arguments, a command is refused or is exactly one
// command.
func FuzzCommand(f *testing.F) {
	f.Add(byte(0), "u-1", "playback", "ivr/offer.wav", 5)
	f.Add(byte(1), "Event-Name", "DTMF", "", 0)
	f.Add(byte(0), "", "set", "x\n\nexit", -1)
	f.Add(byte(0), "", "set", "$${system(x)}", -1)
	f.Fuzz(func(t *testing.T, which byte, a, b, c string, n int) {
		var cmd Command
		var want string
		switch which % 3 {
		case 0:
			cmd = Execute(a, b, c)
			want = "sendmsg\ncall-command: execute\nexecute-app-name: " + b + "\nexecute-app-arg: " + c
			if a != "" {
				want += "\nEvent-UUID: " + a
			}
		case 1:
			cmd, want = Filter(a, b), "filter "+a+" "+b
		case 2:
			cmd, want = Linger(n), fmt.Sprintf("linger %d", n)
		}
		got, err := AppendCommand([]byte("before"), cmd)
		if (err == nil) != (cmd.Err() == nil) {
			t.Fatalf("error %v, but Err is %v", err, cmd.Err())
		}
		if err != nil {
			if !errors.Is(err, ErrUnsafe) || string(got) != "before" {
				t.Errorf("refused with %q, error %v", got, err)
			}
			return
		}
		wire := strings.TrimPrefix(string(got), "before")
		lines := 0
		if which%3 == 0 {
			lines = 3
			if a != "" {
				lines = 4
			}
		}
		switch {
		case wire != want+"\n\n":
			t.Errorf("wrote %q, want %q", wire, want)
		case strings.Count(wire, "\n") != lines+2, strings.Index(wire, "\n\n") != len(wire)-2:
			t.Errorf("%q is not one command", wire)
		case strings.ContainsAny(wire, "\r\x00"):
			t.Errorf("%q has control bytes", wire)
		case which%3 == 0 && strings.Contains(wire, "${"):
			t.Errorf("%q would be expanded", wire)
		}
	})
}

// FuzzEventGet: no body breaks an event, Each and Get agree, and what was
// encoded comes back.
func FuzzEventGet(f *testing.F) {
	addFrames(f, func(data []byte) { f.Add(data, "Event-Name", "100%") })
	f.Add([]byte("Event-Name: X\nA: 1\na: 2\nB: %4\n\n"), "a", "+1 %41\n")
	f.Fuzz(func(t *testing.T, body []byte, name, value string) {
		if e, err := newEvent(body, DefaultHeaderLines); err == nil {
			e.Get(name)
			seen := map[string]bool{}
			e.Each("", func(n, v string) bool {
				if got, ok := e.Lookup(n); !ok || got != v {
					t.Errorf("Each says %q is %q, Get says %q, %v", n, v, got, ok)
				}
				if seen[n] {
					t.Errorf("Each shows %q twice", n)
				}
				seen[n] = true
				return true
			})
			if !seen["Event-Name"] && isASCII(string(body)) && bytes.Contains(body, []byte("\nEvent-Name:")) &&
				e.Get("event-name") == "" {
				t.Error("an event without a name")
			}
		} else if kindOf(err) != KindMalformed && kindOf(err) != KindHeaderLines {
			t.Errorf("error %v", err)
		}

		all := ""
		for i := range len(value) {
			all += fmt.Sprintf("%%%02x", value[i])
		}
		some := string(appendEscaped(nil, value))
		for _, enc := range []string{all, some} {
			if got := unescape([]byte(enc)); got != value {
				t.Errorf("%q was encoded as %q and decoded to %q", value, enc, got)
			}
		}
		if !strings.Contains(value, "%") && unescape([]byte(value)) != value {
			t.Errorf("%q changed without an escape", value)
		}
		e := mustEvent(t, "Event-Name: X\nA: "+some+"\nA: other\n\n")
		if got := e.Get("a"); got != value {
			t.Errorf("in an event %q became %q", value, got)
		}
	})
}
