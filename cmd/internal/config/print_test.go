package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestEffectiveLoadsToTheSame(t *testing.T) {
	tests := []struct {
		name   string
		getenv func(string) string
	}{
		{"full", nothing},
		{"minimal", consumer},
		{"c2m", client},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := load(t, tt.name+".yaml", tt.getenv)
			dir, err := filepath.Abs(filepath.Join("testdata", "good"))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(f.Effective(), dir, "/etc/deflectd")
			golden := filepath.Join("testdata", "good", tt.name+".effective")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("effective configuration (-want +got):\n%s", diff)
			}
			same(t, f, tt.getenv)
		})
	}
}

// same fails unless the effective configuration loads to the same again.
func same(t *testing.T, f File, getenv func(string) string) {
	t.Helper()
	text := f.Effective()
	again, err := Parse(f.Name, []byte(text), getenv)
	if err != nil {
		t.Fatalf("the effective configuration does not load:\n%v\n%s", err, text)
	}
	again.Warnings = f.Warnings // their lines differ
	if len(again.Lists) != len(f.Lists) {
		t.Fatalf("%d do-not-text lists, then %d", len(f.Lists), len(again.Lists))
	}
	for i := range f.Lists { // read at another time
		if again.Lists[i].Len() != f.Lists[i].Len() {
			t.Errorf("do-not-text list %d has %d entries, then %d", i, f.Lists[i].Len(), again.Lists[i].Len())
		}
	}
	again.Lists = f.Lists
	for i := range again.FreeSWITCH.Profiles {
		if (again.FreeSWITCH.Profiles[i].DoNotText == nil) != (f.FreeSWITCH.Profiles[i].DoNotText == nil) {
			t.Errorf("the do-not-text list of profile %d comes and goes", i)
		}
		again.FreeSWITCH.Profiles[i].DoNotText = f.FreeSWITCH.Profiles[i].DoNotText
	}
	sameTrust(t, f, &again)
	if !reflect.DeepEqual(f, again) {
		t.Errorf("the effective configuration loads to something else:\n%s", text)
	}
	if second := again.Effective(); second != text {
		t.Errorf("effective configurations differ:\n%s", cmp.Diff(text, second))
	}
}

// sameTrust compares what DeepEqual cannot: who signs the certificates.
func sameTrust(t *testing.T, f File, again *File) {
	t.Helper()
	if f.Fleet == nil || f.Fleet.TLS == nil || again.Fleet == nil || again.Fleet.TLS == nil {
		return
	}
	if !f.Fleet.TLS.RootCAs.Equal(again.Fleet.TLS.RootCAs) {
		t.Error("other certificates are believed")
	}
	again.Fleet.TLS.RootCAs = f.Fleet.TLS.RootCAs
}

func TestNothingShowsSecrets(t *testing.T) {
	f := load(t, "full.yaml", nothing)
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("loaded", "file", f, "api", f.LiveDeflect, "c2m", f.C2M, "shifts", f.Shifts)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("loaded", "auth", f.LiveDeflect.Auth, "bearer", f.C2M.Auth)
	asJSON, err := json.Marshal(f.LiveDeflect.Auth)
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{
		"Effective": f.Effective(),
		"%v":        fmt.Sprintf("%v", f),
		"%+v":       fmt.Sprintf("%+v", f),
		"%#v":       fmt.Sprintf("%#v", f),
		"C2M":       fmt.Sprintf("%v %+v %#v", f.C2M, *f.C2M, *f.C2M),
		"Shifts":    fmt.Sprintf("%v %+v %#v", f.Shifts, *f.Shifts, *f.Shifts),
		"slog":      logged.String(),
		"JSON":      string(asJSON),
	} {
		if strings.Contains(text, "opensesame") {
			t.Errorf("%s shows a secret:\n%s", where, text)
		}
	}
}

var listLine = regexp.MustCompile(`(?m)^ *do_not_text_file:.*\n`)

// beside are files that lie beside the configuration.
var beside = regexp.MustCompile(`(?m)^( *(?:key|ca)_file: )(.*)$`)

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatalf("no seeds for %s: %v", pattern, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, "")
			f.Add(data, secret)
			// The lists are opened, and not there: without them the rest is reached.
			data = listLine.ReplaceAll(data, nil)
			f.Add(data, secret)
			f.Add(beside.ReplaceAll(data, []byte("${1}testdata/good/${2}")), secret)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, fromEnv string) {
		src := source{
			getenv:   func(string) string { return fromEnv },
			readFile: func(string) ([]byte, bool, error) { return []byte("0pensesame"), false, nil },
		}
		file, err := parse("x.yaml", data, src)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error says nothing")
			}
			return
		}
		text := file.Effective()
		again, err := parse("x.yaml", []byte(text), src)
		if err != nil {
			t.Fatalf("the effective configuration does not load:\n%v\n%s", err, text)
		}
		again.Warnings = file.Warnings
		sameTrust(t, file, &again)
		if !reflect.DeepEqual(file, again) {
			t.Errorf("the effective configuration loads to something else:\n%s", text)
		}
	})
}
