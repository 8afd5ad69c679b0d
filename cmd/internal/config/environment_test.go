package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table of the environment has every variable that the code names, and no other of ours.
func TestEnvironmentTable(t *testing.T) {
	_, table, ok := strings.Cut(Reference(), "## Environment\n")
	if !ok {
		t.Fatal("the reference has no section on the environment")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`(DEFLECT_[A-Z_]+)`").FindAllStringSubmatch(table, -1) {
		named[name[1]] = true
	}
	used := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, name := range regexp.MustCompile(`"(DEFLECT_[A-Z_]+)[" ]`).FindAllStringSubmatch(string(raw), -1) {
			used[name[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range used {
		if !named[name] {
			t.Errorf("%s is not in the table of configuration.md", name)
		}
	}
	for name := range named {
		if !used[name] {
			t.Errorf("nothing reads %s", name)
		}
	}
	if len(used) < 6 {
		t.Errorf("the code names %v alone", used)
	}
}

// A secret file by a relative name is the credential that systemd has passed on, where
// there is one; without, and by an absolute name, it is the file.
func TestSecretsAsCredentials(t *testing.T) {
	dir, credentials := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "secrets", "consumer"), "file\n")
	write(filepath.Join(dir, "outside"), "outside\n")
	write(filepath.Join(credentials, "secrets_consumer"), "credential\n")
	for _, tt := range []struct{ name, in, want string }{
		{"secrets/consumer", credentials, "secrets_consumer"},
		{"./secrets//consumer", credentials, "secrets_consumer"},
		{"secrets/consumer", "", "secrets/consumer"},
		{"secrets/consumer", t.TempDir(), "secrets/consumer"},
		{filepath.Join(dir, "secrets", "consumer"), credentials, "secrets/consumer"},
		{"../" + filepath.Base(dir) + "/outside", credentials, "outside"},
	} {
		file := filepath.Join(dir, "deflectd.yaml")
		write(file, "livedeflect: {site_id: \"1\", domain: va, consumer_key: KEY, consumer_secret_file: "+tt.name+"}\nprofiles: [{name: a, skill: b}]\n")
		f, err := Load(file, func(name string) string {
			if name == "CREDENTIALS_DIRECTORY" {
				return tt.in
			}
			return ""
		})
		if err != nil {
			t.Errorf("%s with %q: %v", tt.name, tt.in, err)
			continue
		}
		if got := filepath.ToSlash(f.secrets.live.consumer.file); !strings.HasSuffix(got, "/"+tt.want) {
			t.Errorf("%s with %q is read from %s, want %s", tt.name, tt.in, got, tt.want)
		}
	}
}
