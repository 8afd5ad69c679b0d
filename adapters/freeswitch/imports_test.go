package freeswitch_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Imports point one way: cmd -> adapters -> deflect. The doubles share no code
// with what they test, so that one mistake cannot hide on both sides.
func TestImports(t *testing.T) {
	const module = "github.com/ivrdeflect/ivrdeflect/"
	allowed := map[string][]string{
		"deflect":                            {},
		"deflect/deflecttest":                {},
		"adapters/freeswitch/esl":            {},
		"adapters/freeswitch/freeswitchtest": {},
		"adapters/freeswitch":                {"deflect", "adapters/freeswitch/esl"},
		"examples/embed":                     {"deflect"},
		"examples/glue":                      {"deflect", "adapters/freeswitch"},
	}
	for pkg, may := range allowed {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+pkg).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", pkg, err)
		}
		for _, imp := range strings.Fields(string(out)) {
			ours, ok := strings.CutPrefix(imp, module)
			if !ok {
				continue
			}
			fine := false
			for _, m := range may {
				fine = fine || ours == m
			}
			if !fine {
				t.Errorf("%s imports %s", pkg, ours)
			}
		}
	}
}
