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
		text = uncommented(t, text, block)
	}
	dir := t.TempDir()
	for _, name := range []string{"consumer", "token", "event-socket", "client"} {
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
	for _, block := range []string{"# c2m:", "#   account:", "#   client_id:", "#   client_secret_file:", "#   handoff_id:", "#   eligibility_deadline:", "#   ticket_age:", "#   rate:", "#   channels:",
		"# api:", "# handoff_id:", "# template_variables:", "# agents:", "# skill_id:", "# agents_unknown:"} {
		text = uncommented(t, text, block)
	}
	text = strings.Replace(text, "    text_tag: sales-1\n", "", 1) // which C2M has not
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "/run/secrets/", dir+"/")), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(name, func(string) string { return "" })
	if err != nil || len(c.Warnings) > 0 {
		t.Fatalf("with C2M: %v, warnings %v", err, c.Warnings)
	}
	if p := c.FreeSWITCH.Profiles[0]; c.APIs[0] != C2M || c.APIs[1] != LiveDeflect || c.C2M == nil || p.HandoffID == "" || c.Shifts == nil {
		t.Errorf("with C2M: %v, %+v", c.APIs, p)
	}
	if len(f.FreeSWITCH.Profiles) != 2 || f.FreeSWITCH.Profiles[0].Repeat != 2 {
		t.Errorf("profiles: %+v", f.FreeSWITCH.Profiles)
	}
}

// uncommented is a configuration with one of its comments as a key.
func uncommented(t *testing.T, text, block string) string {
	t.Helper()
	if !strings.Contains(text, block) {
		t.Errorf("no %q", block)
	}
	text = strings.Replace(text, block, strings.TrimPrefix(block, "# "), 1)
	return strings.Replace(text, block, strings.TrimPrefix(block, "#"), 1)
}
