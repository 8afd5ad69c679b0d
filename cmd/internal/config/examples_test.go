package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The full example configuration loads, with nothing to remark.
func TestExampleLoadsWithoutRemark(t *testing.T) {
	raw, err := os.ReadFile("../../../examples/freeswitch/deflectd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Also with what is only there to be looked at.
	text := string(raw)
	for _, block := range []string{"# inbound:", "#   - name: fs1", "#     address:", "#     password_file:", "# on_sent:", "# redis:", "#   url:", "#   key_file:", "# budget:"} {
		if !strings.Contains(text, block) {
			t.Errorf("no %q", block)
		}
		text = strings.Replace(text, block, strings.TrimPrefix(block, "# "), 1)
		text = strings.Replace(text, block, strings.TrimPrefix(block, "#"), 1)
	}
	dir := t.TempDir()
	for _, name := range []string{"consumer", "token", "event-socket"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "fleet-key"), []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "deflectd.yaml")
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "/run/secrets/", dir+"/")), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(name, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if len(f.FreeSWITCH.Inbound) != 1 || f.FreeSWITCH.Profiles[0].OnSent.Transfer != "9999 XML public" {
		t.Errorf("inbound: %+v, %+v", f.FreeSWITCH.Inbound, f.FreeSWITCH.Profiles[0].OnSent)
	}
	if f.Fleet == nil || f.FreeSWITCH.Profiles[0].Budget.Texts != 60 {
		t.Errorf("redis: %v, budget %v", f.Fleet, f.FreeSWITCH.Profiles[0].Budget)
	}
	if len(f.Warnings) > 0 {
		t.Errorf("warnings: %v", f.Warnings)
	}
	if len(f.FreeSWITCH.Profiles) != 2 || f.FreeSWITCH.Profiles[0].Repeat != 2 {
		t.Errorf("profiles: %+v", f.FreeSWITCH.Profiles)
	}
}
