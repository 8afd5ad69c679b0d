package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The full example configuration loads, with nothing to remark.
func TestExample(t *testing.T) {
	raw, err := os.ReadFile("../../../examples/freeswitch/deflectd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"consumer", "token", "event-socket"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(dir, "deflectd.yaml")
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(raw), "/run/secrets/", dir+"/")), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(name, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Warnings) > 0 {
		t.Errorf("warnings: %v", f.Warnings)
	}
	if len(f.FreeSWITCH.Profiles) != 2 || f.FreeSWITCH.Profiles[0].Repeat != 2 {
		t.Errorf("profiles: %+v", f.FreeSWITCH.Profiles)
	}
}
