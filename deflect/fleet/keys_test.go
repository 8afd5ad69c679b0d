package fleet

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadKey(t *testing.T) {
	key := NewKey()
	for _, text := range []string{
		hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)), hex.EncodeToString(key) + "\n", " " + hex.EncodeToString(key) + "\r\n",
		base64.StdEncoding.EncodeToString(key) + "\n", base64.URLEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key),
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadKey(file); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
}

func TestReadKeyRefuses(t *testing.T) {
	text := hex.EncodeToString(testKey)
	in64 := base64.StdEncoding.EncodeToString(testKey)
	for _, text := range []string{
		"", "\n", text[:62], text + "00", text + "\n" + text, "0x" + text, text[:32] + "\n" + text[32:], text[:63] + "g",
		in64[:40], in64[:20] + "\n" + in64[20:], in64 + "!", in64[:42] + "x=", string(testKey), strings.Repeat("0", 1<<20),
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadKey(file); err == nil {
			t.Errorf("%.100q is taken: %x", text, got)
		} else if len(text) > 8 && strings.Contains(err.Error(), text[:8]) {
			t.Errorf("the error repeats the file: %v", err)
		}
	}

	if runtime.GOOS != "windows" {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chmod(file, 0o602)
		if _, err := ReadKey(file); err == nil {
			t.Error("a file that everybody can write is taken")
		}
	}
	dir := t.TempDir()
	if _, err := ReadKey(dir); err == nil {
		t.Error("a directory is taken")
	}
	if _, err := ReadKey(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// What is hashed tells neither of another kind nor of another fleet.
func TestKeysAreApart(t *testing.T) {
	a, b := newHashes(testKey), newHashes(NewKey())
	seen := map[string]string{}
	for _, of := range []struct {
		name       string
		h          *hashes
		kind, text string
	}{
		{"one", a, "c", "sales +14043438646"}, {"another kind", a, "o", "sales +14043438646"}, {"another text", a, "c", "sales +14043438647"},
		{"another fleet", b, "c", "sales +14043438646"}, {"another end of the kind", a, "cs", "ales +14043438646"}, {"long", a, "c", strings.Repeat("sales ", 100)},
		{"longer", a, "c", strings.Repeat("sales ", 101)},
	} {
		got := of.h.of(of.kind, of.text)
		if len(got) != 16 || got != of.h.of(of.kind, of.text) {
			t.Errorf("%s: %q, and %q the second time", of.name, got, of.h.of(of.kind, of.text))
		}
		if other, is := seen[got]; is {
			t.Errorf("%s and %s are one", of.name, other)
		}
		seen[got] = of.name
	}
	// Daemons of two versions must agree.
	if diff := cmp.Diff("42PelsN7bdnH9-bX", a.of("c", "sales +14043438646")); diff != "" {
		t.Errorf("keys are others than they were (-want +got):\n%s", diff)
	}
}
