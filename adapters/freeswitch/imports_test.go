package freeswitch_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/ivrdeflect/ivrdeflect/"

// row is what a package may import, tests aside.
type row struct {
	pkg    string   // "x/..." stands for all packages below x that have no row of their own
	ours   []string // packages of this module, and "x/..." for those below x
	alone  bool     // nothing that is neither ours nor of the standard library
	never  []string // neither these
	reason string   // why it may that little, for whoever meets the error
}

const (
	noVendor = "only commands and examples know a vendor, so that another one can take its place"
	double   = "a double shares no code with what it tests, and brings its users no module"
	nobody   = "it is what others stand on"
)

// arrows is the direction of imports: cmd -> adapters -> deflect -> deflect/phone, with
// vendors, stores and lists beside deflect. A new package needs a row.
var arrows = []row{
	{pkg: "deflect", ours: []string{"deflect/phone", "deflect/internal/..."}, never: []string{"net/http", "github.com/nyaruka/phonenumbers"}, reason: noVendor},
	{pkg: "deflect/c2m/c2mtest", ours: []string{"deflect/internal/double"}, alone: true, reason: double},
	{pkg: "deflect/c2m", ours: []string{"deflect", "deflect/liveperson", "deflect/phone", "deflect/phone/numberplan", "deflect/internal/..."}, reason: "vendors and stores import the engine, never each other"},
	{pkg: "deflect/deflecttest", ours: []string{"deflect"}, reason: noVendor},
	{pkg: "deflect/donottext", ours: []string{"deflect", "deflect/phone", "deflect/phone/numberplan", "deflect/internal/..."}, reason: noVendor},
	{pkg: "deflect/fleet", ours: []string{"deflect", "deflect/phone", "deflect/internal/..."}, reason: "vendors and stores import the engine, never each other"},
	{pkg: "deflect/fleet/fleettest", alone: true, reason: double},
	{pkg: "deflect/funnel", ours: []string{"deflect", "deflect/c2m", "deflect/livedeflect", "deflect/phone", "deflect/internal/..."}, reason: noVendor},
	{pkg: "deflect/internal/double", alone: true, reason: double},
	{pkg: "deflect/internal/rig", ours: []string{"deflect", "deflect/livedeflect", "deflect/livedeflect/livedeflecttest", "deflect/liveperson"}, reason: "it makes clients for tests"},
	{pkg: "deflect/internal/...", ours: []string{"deflect/internal/..."}, reason: nobody},
	{pkg: "deflect/journal", ours: []string{"deflect", "deflect/phone", "deflect/internal/..."}, reason: "vendors and stores import the engine, never each other"},
	{pkg: "deflect/internal/wire", ours: []string{"deflect", "deflect/internal/..."}, reason: "it is what vendors stand on"},
	{pkg: "deflect/livedeflect", ours: []string{"deflect", "deflect/liveperson", "deflect/phone", "deflect/phone/numberplan", "deflect/internal/..."}, reason: "vendors and stores import the engine, never each other"},
	{pkg: "deflect/livedeflect/livedeflecttest", ours: []string{"deflect/internal/double"}, alone: true, reason: double},
	{pkg: "deflect/liveperson", ours: []string{"deflect", "deflect/internal/..."}, reason: "it is what the APIs of one vendor share, and knows none of them"},
	{pkg: "deflect/phone", reason: nobody},
	{pkg: "deflect/phone/numberplan", ours: []string{"deflect/phone"}, reason: nobody},
	{pkg: "deflect/sms", ours: []string{"deflect/internal/..."}, reason: nobody},

	{pkg: "adapters/freeswitch", ours: []string{"deflect", "deflect/phone", "deflect/phone/numberplan", "deflect/sms", "adapters/freeswitch/esl"}, reason: noVendor},
	{pkg: "adapters/freeswitch/esl", alone: true, reason: nobody},
	{pkg: "adapters/freeswitch/freeswitchtest", alone: true, reason: double},

	{pkg: "cmd/deflectd", ours: []string{"cmd/internal/..."}, reason: "flags and signals only"},
	{pkg: "cmd/deflectctl", ours: []string{"cmd/internal/...", "adapters/...", "deflect/..."}},
	{pkg: "cmd/internal/doctor", ours: []string{"cmd/internal/...", "adapters/freeswitch", "adapters/freeswitch/esl", "deflect/..."}},
	{pkg: "cmd/internal/...", ours: []string{"cmd/internal/...", "adapters/freeswitch", "deflect/..."}},

	{pkg: "dialplan", alone: true, reason: nobody},
	{pkg: "examples/...", ours: []string{"adapters/...", "deflect/..."}},
}

// within reports whether a pattern stands for a package.
func within(pattern, pkg string) bool {
	stem, tree := strings.CutSuffix(pattern, "/...")
	return pkg == stem || tree && strings.HasPrefix(pkg, stem+"/")
}

// rowOf returns the row of a package: its own, or that of the packages it is among.
func rowOf(rows []row, pkg string) (row, bool) {
	for _, own := range []bool{true, false} {
		for _, r := range rows {
			if own && r.pkg == pkg || !own && within(r.pkg, pkg) {
				return r, true
			}
		}
	}
	return row{}, false
}

// strays says what is wrong with the imports of a package.
func strays(rows []row, pkg string, imports []string) (wrong []string) {
	r, ok := rowOf(rows, pkg)
	if !ok {
		return []string{pkg + " has no row in the table of imports: say what it may import"}
	}
	for _, imp := range imports {
		ours, isOurs := strings.CutPrefix(imp, module)
		first, _, _ := strings.Cut(imp, "/")
		switch {
		case isOurs && !slices.ContainsFunc(r.ours, func(may string) bool { return within(may, ours) }):
			wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", pkg, ours, r.reason))
		case !isOurs && r.alone && strings.Contains(first, "."), slices.Contains(r.never, imp):
			wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", pkg, imp, r.reason))
		}
	}
	return wrong
}

// TestImportsPointOneWay holds every package of the module to its row.
func TestImportsPointOneWay(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		seen++
		for _, wrong := range strays(arrows, strings.TrimPrefix(fields[0], module), fields[1:]) {
			t.Error(wrong)
		}
	}
	if seen < 10 {
		t.Errorf("go list names %d packages", seen)
	}
}

// The test above sees what it is for.
func TestStraysAreSeen(t *testing.T) {
	for _, tt := range []struct {
		pkg, imp string
		wrong    bool
	}{
		{"deflect", module + "deflect/phone", false},
		{"deflect", module + "deflect/internal/left", false},
		{"deflect", "github.com/sony/gobreaker/v2", false},
		{"deflect", "net/http", true},
		{"deflect", "github.com/nyaruka/phonenumbers", true},
		{"deflect", module + "deflect/livedeflect", true},
		{"deflect", module + "adapters/freeswitch", true},
		{"deflect/phone", module + "deflect", true},
		{"deflect/internal/left", module + "deflect", true},
		{"adapters/freeswitch", module + "deflect/livedeflect", true},
		{"adapters/freeswitch/esl", module + "deflect", true},
		{"adapters/freeswitch/esl", "github.com/x/y", true},
		{"adapters/freeswitch/esl", "net/http", false},
		{"adapters/freeswitch/freeswitchtest", module + "adapters/freeswitch/esl", true},
		{"deflect/livedeflect/livedeflecttest", module + "deflect/livedeflect", true},
		{"deflect/c2m/c2mtest", module + "deflect/c2m", true},
		{"deflect/livedeflect/livedeflecttest", "github.com/dghubble/oauth1", true},
		{"deflect/internal/double", module + "deflect/internal/wire", true},
		{"cmd/deflectd", module + "deflect", true},
		{"cmd/internal/daemon", module + "deflect/livedeflect", false},
		{"cmd/internal/daemon", module + "cmd/deflectctl", true},
		{"examples/embed", module + "deflect/livedeflect", false},
		{"examples/embed", module + "cmd/internal/daemon", true},
		{"deflect/nobodyknows", "fmt", true},
		{"other", "fmt", true},
	} {
		if wrong := strays(arrows, tt.pkg, []string{tt.imp}); len(wrong) > 0 != tt.wrong {
			t.Errorf("%s imports %s: %s", tt.pkg, tt.imp, cmp.Diff([]string(nil), wrong))
		}
	}
}
