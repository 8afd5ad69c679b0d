package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

func TestFrames(t *testing.T) {
	rec := testRecording(t)
	id := identify(42)
	for name, f := range map[string]*frame{
		"data": rec.data, "key": rec.key, "bye": rec.bye, "offer": rec.end("playback", "offer-1"),
		"answer": rec.end("answer", "an id of another length"), "break": rec.end("break", ""),
	} {
		got := f.appendTo(nil, id)
		if len(got) != len(f.bytes) || bytes.Contains(got, []byte(recordedUUID)) || bytes.Contains(got, []byte(recordedNumber)) {
			t.Errorf("%s still names the recorded call:\n%s", name, got)
		}
		if !bytes.Contains(got, []byte(id.uuid)) || name != "bye" && !bytes.Contains(got, []byte("%2B"+id.number)) {
			t.Errorf("%s does not name the call:\n%s", name, got)
		}
		head, body, _ := strings.Cut(string(got), "\n\n")
		if length := header("\n"+head, "Content-Length"); name != "data" && length != strconv.Itoa(len(body)) {
			t.Errorf("%s says that it has %s bytes and has %d", name, length, len(body))
		}
	}
	if got := header(string(rec.end("answer", "me").bytes), "Application-UUID"); got != "me" {
		t.Errorf("the end of an application is that of %q", got)
	}
	first := rec.end("answer", "me")
	if again := rec.end("answer", "me"); again != first {
		t.Error("ends are made anew")
	}
	if _, err := readRecording(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a recording that is not there is fine")
	}
}

// TestIdentities shows that callers are different people whom deflectd would text.
func TestIdentities(t *testing.T) {
	client, err := newClient("http://127.0.0.1:1", nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[identity]bool{}
	for n := 0; n < 8_000_000; n += 4001 {
		id := identify(n)
		if len(id.uuid) != len(recordedUUID) || len(id.number) != len(recordedNumber) || seen[id] {
			t.Fatalf("call %d is %+v", n, id)
		}
		seen[id] = true
		if back, ok := callOf(id.uuid); !ok || back != n {
			t.Fatalf("%s is call %d", id.uuid, back)
		}
		if err := client.Check(t.Context(), deflect.Call{
			ANI: phone.Number("+" + id.number), DNIS: dialed, Start: time.Now(), ExternalCallID: id.uuid, Skill: skill,
		}); err != nil {
			t.Fatalf("%+v: %v", id, err)
		}
	}
}

func TestFigures(t *testing.T) {
	f, g := figures{4, 1, 9}, figures{2, 2, 3}
	if f.median() != 4 || (figures{1, 2}).median() != 1.5 {
		t.Error("medians are wrong")
	}
	if got := f.over(g).spread(ratio); got != "2.00 (0.50 to 3.00)" {
		t.Errorf("the ratio is %s", got)
	}
	if got := f.over(f.mean(g)).spread(ratio); got != "1.33 (0.67 to 1.50)" {
		t.Errorf("the ratio to the mean is %s", got)
	}
	if got := (figures{9, 1, 2, 3, 4, 5, 6, 100}).middle(ratio); got != "4.50 (3.00 to 6.00)" {
		t.Errorf("the middle is %s", got)
	}
	for v, want := range map[float64]string{0.1234: "0.12", 5.678: "5.68", 12.34: "12.3", 123.4: "123", 1234: "1,230", 123456: "123,500"} {
		if got := digits(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
	var out bytes.Buffer
	tab := newTable("who", "how much")
	tab.add("we", ms(1.5e6))
	tab.add("somebody else", micro(2000))
	tab.print(&out)
	want := "| who           | how much |\n|---------------|---------:|\n| we            |  1.50 ms |\n| somebody else |  2.00 µs |\n"
	if out.String() != want {
		t.Errorf("the table is\n%swant\n%s", out.String(), want)
	}
	if got := fmt.Sprint(percentile(nil, 50)); got != "NaN" {
		t.Errorf("no percentile is %s", got)
	}
}
