package deflecttest

import (
	"go/build"
	"strings"
	"testing"
)

// The double shares no code with what it checks, and its users get no module
// with it.
func TestImportsTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	pkg, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pkg.Imports {
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
			t.Errorf("imports %s", path)
		}
	}
}
