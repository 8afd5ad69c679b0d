package dialplan_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// wavForm is the head of a PCM file without extra chunks.
type wavForm struct {
	RIFF             [4]byte
	Size             uint32
	WAVE, Fmt        [4]byte
	FmtSize          uint32
	Format, Channels uint16
	Rate, BytesPerS  uint32
	Block, Bits      uint16
	Data             [4]byte
	DataSize         uint32
}

// Every prompt that a configuration may come to play by default is there, and so is
// every one that the dialplan or the README names; each is speech that a telephone can
// play, and one that prompts.txt has the words of. There are no others.
func TestSounds(t *testing.T) {
	p := freeswitch.Profile{Name: "all", Confirm: true, Rules: deflect.Rules{AskNumber: true}}.WithDefaults("sounds")
	var want []string
	prompts := reflect.ValueOf(p.Prompts)
	for i := range prompts.NumField() {
		want = append(want, prompts.Field(i).String())
	}
	for _, name := range append(names(t), "README.md") {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`ivrdeflect/(\w+/\w+\.wav)`).FindAllSubmatch(raw, -1) {
			want = append(want, "sounds/"+string(m[1]))
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	there, err := filepath.Glob("sounds/*/*.wav")
	if err != nil || !slices.Equal(want, there) {
		t.Errorf("there are %q, want %q (%v)", there, want, err)
	}
	list, err := os.ReadFile("sounds/prompts.txt")
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		if name, _, _ := strings.Cut(lines.Text(), " "); name != "" && name != "#" {
			said = append(said, "sounds/"+name+".wav")
		}
	}
	slices.Sort(said)
	if !slices.Equal(said, there) {
		t.Errorf("prompts.txt has %q, there are %q", said, there)
	}
	for _, name := range there {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var head wavForm
		r := bytes.NewReader(raw)
		if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
			t.Fatal(err)
		}
		if string(head.RIFF[:])+string(head.WAVE[:])+string(head.Data[:]) != "RIFFWAVEdata" || head.Format != 1 ||
			head.Channels != 1 || head.Rate != 8000 || head.Bits != 16 || int(head.DataSize) != r.Len() {
			t.Errorf("%s is not 8 kHz, mono, 16 bits: %+v", name, head)
		}
		samples := make([]int16, r.Len()/2)
		if err := binary.Read(r, binary.LittleEndian, samples); err != nil {
			t.Fatal(err)
		}
		if seconds := float64(len(samples)) / 8000; seconds < 1 || seconds > 10 {
			t.Errorf("%s takes %.1f s", name, seconds)
		}
		loud := 0
		for _, s := range samples {
			if s > 3000 || s < -3000 {
				loud++
			}
		}
		if share := float64(loud) / float64(len(samples)); share < .1 {
			t.Errorf("%s is hardly to be heard: %.0f %% of it is loud", name, 100*share)
		}
	}
}
