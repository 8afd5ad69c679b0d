package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Who calls in the recording. Calls that are played have others of the same length.
const (
	recordedUUID   = "3e0068c6-dcda-4c96-a87d-305d62b539f6"
	recordedNumber = "14043438646"
)

// identity is what tells a call from others.
type identity struct{ uuid, number string }

const (
	uuidStem   = "3e0068c6-dcda-4c96-a87d-"
	numberStem = "1404"
	firstOfAll = 2_000_000 // behind it
	numbers    = 8_000_000
)

// identify returns the identity of the n-th call. Every call has a caller of its own,
// because deflectd texts nobody twice within the cooldown. The numbers may be real ones;
// requests go to this process alone.
func identify(n int) identity {
	return identity{
		uuid:   fmt.Sprintf("%s%012d", uuidStem, n),
		number: fmt.Sprintf("%s%07d", numberStem, firstOfAll+n%numbers),
	}
}

// callOf is the reverse, for what a subject sends.
func callOf(uuid string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(uuid, uuidStem)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil
}

// callFrom is the reverse for a number, of the first calls.
func callFrom(number string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(number, numberStem)
	n, err := strconv.Atoi(digits)
	return n - firstOfAll, ok && err == nil
}

// frame is something that the switch sends, and where it names the call.
type frame struct {
	bytes         []byte
	uuids, number []int // offsets
}

func newFrame(text string) *frame {
	f := &frame{bytes: []byte(text)}
	f.uuids = offsets(text, recordedUUID)
	f.number = offsets(text, recordedNumber)
	return f
}

func offsets(text, of string) (at []int) {
	for from := 0; ; {
		i := strings.Index(text[from:], of)
		if i < 0 {
			return at
		}
		at = append(at, from+i)
		from += i + len(of)
	}
}

// appendTo appends the frame as it is for one call.
func (f *frame) appendTo(dst []byte, id identity) []byte {
	start := len(dst)
	dst = append(dst, f.bytes...)
	for _, at := range f.uuids {
		copy(dst[start+at:], id.uuid)
	}
	for _, at := range f.number {
		copy(dst[start+at:], id.number)
	}
	return dst
}

// recording is what FreeSWITCH sent in a recorded call.
type recording struct {
	data *frame // the reply to connect
	key  *frame // the DTMF event
	bye  *frame // the disconnect notice

	recorded map[string]string // CHANNEL_EXECUTE_COMPLETE, by application

	mu   sync.RWMutex
	ends map[string]*frame // the same for other ids, by application and id
}

func readRecording(name string) (*recording, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the recorded call (run in examples/benchmark, or give --recording): %w", err)
	}
	r := &recording{recorded: map[string]string{}, ends: map[string]*frame{}}
	for line := range strings.Lines(string(raw)) {
		var e struct{ Dir, Data string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		switch {
		case e.Dir != "<":
		case strings.HasPrefix(e.Data, "Event-Name: CHANNEL_DATA\n"):
			r.data = newFrame(e.Data)
		case strings.Contains(e.Data, "\nEvent-Name: DTMF\n"):
			r.key = newFrame(e.Data)
		case strings.Contains(e.Data, "\nEvent-Name: CHANNEL_EXECUTE_COMPLETE\n"):
			r.recorded[header(e.Data, "Application")] = e.Data
		case strings.HasPrefix(e.Data, "Content-Type: text/disconnect-notice\n"):
			r.bye = newFrame(e.Data)
		}
	}
	for _, app := range []string{"answer", "playback", "break", "multiset"} {
		if r.recorded[app] == "" {
			return nil, fmt.Errorf("%s: no end of %s is recorded", name, app)
		}
	}
	if r.data == nil || r.key == nil || r.bye == nil {
		return nil, fmt.Errorf("%s: not a call with a key press, recorded to its end", name)
	}
	return r, nil
}

// header returns the value of a header of an event; "" without.
func header(text, name string) string {
	_, after, _ := strings.Cut(text, "\n"+name+": ")
	value, _, _ := strings.Cut(after, "\n")
	return value
}

// end returns the event that tells of the end of an application; an empty id is that of
// the recording. One that was not recorded ends as the answer did.
func (r *recording) end(app, id string) *frame {
	key := app + " " + id
	r.mu.RLock()
	f := r.ends[key]
	r.mu.RUnlock()
	if f != nil {
		return f
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	text, recorded := r.recorded[app]
	if !recorded {
		text = r.recorded["answer"]
	}
	head, event, _ := strings.Cut(text, "\n\n")
	if !recorded {
		event = replaceHeader(event, "Application", app)
	}
	if id != "" {
		event = replaceHeader(event, "Application-UUID", id)
	}
	if id != "" || !recorded {
		head = replaceHeader("\n"+head, "Content-Length", strconv.Itoa(len(event)))[1:]
	}
	f = newFrame(head + "\n\n" + event)
	r.ends[key] = f
	return f
}

func replaceHeader(text, name, value string) string {
	before, after, _ := strings.Cut(text, "\n"+name+": ")
	_, rest, more := strings.Cut(after, "\n")
	if more {
		rest = "\n" + rest
	}
	return before + "\n" + name + ": " + value + rest
}

// What a switch says to a command that it takes.
var (
	replyOK  = []byte("Content-Type: command/reply\nReply-Text: +OK\n\n")
	replyAPI = []byte("Content-Type: api/response\nContent-Length: 4\n\n+OK\n")
	replyBye = []byte("Content-Type: command/reply\nReply-Text: +OK bye\n\n")
)

// cutLine takes the line break off.
func cutLine(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}
