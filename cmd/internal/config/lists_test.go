package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// listed is a configuration with a list, and write changes the list, as of now.
func listed(t *testing.T) (load func() (File, error), write func(content string)) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	config := filepath.Join(dir, "deflectd.yaml")
	const yaml = "livedeflect: {site_id: \"1\", domain: va, consumer_key: KEY}\nprofiles: [{name: sales, skill: sales, do_not_text_file: list}]\n"
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() (File, error) { return Load(config, consumer) }, func(content string) {
		if err := os.WriteFile(list, []byte(content), 0o600); err != nil {
			t.Error(err)
		}
		if err := os.Chtimes(list, time.Now(), time.Now()); err != nil { // also in a bubble
			t.Error(err)
		}
	}
}

func TestListWarnings(t *testing.T) {
	load, write := listed(t)
	for content, want := range map[string]string{
		"":                           "profiles[0].do_not_text_file: is empty: nobody is on it",
		"# nobody yet\n":             "profiles[0].do_not_text_file: is empty: nobody is on it",
		"+14043438646":               "profiles[0].do_not_text_file: does not end in a line break: it may have been cut short, and who comes after is texted",
		"+14043438646\n":             "",
		"+14043438646\n# end 1":      "",
		"# end 0\n":                  "profiles[0].do_not_text_file: is empty: nobody is on it",
		"# +14043438646\n\n# end 0 ": "profiles[0].do_not_text_file: is empty: nobody is on it",
	} {
		write(content)
		f, err := load()
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(f.Warnings); got != "["+want+"]" {
			t.Errorf("%q: %s, want %s", content, got, want)
		}
	}
}

// Whoever reloads while a list is being written in its place gets what is written;
// a list that is left broken is refused soon.
func TestListBeingWritten(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parts []string // written a second apart
		ok    bool
		least time.Duration // and how long loading takes
		most  time.Duration
	}{
		{"whole", []string{"+14043438646\n"}, true, 0, 0},
		{"in two parts", []string{"+1404343", "+14043438646\n"}, true, time.Second, 2 * time.Second},
		{"with an end", []string{"+14043438646\n# end 2\n", "+14043438646\n+14043438647\n# end 2\n"}, true, time.Second, 2 * time.Second},
		{"broken", []string{"+1404343\n"}, false, time.Second, 3 * time.Second},
		{"without end", strings.Split(strings.Repeat("+1404343,", 60), ","), false, 5 * time.Second, 8 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				load, write := listed(t)
				write(tt.parts[0])
				var writer sync.WaitGroup
				writer.Go(func() {
					for _, part := range tt.parts[1:] {
						time.Sleep(time.Second + 13700*time.Microsecond) // never while it is read
						write(part)
					}
				})
				defer writer.Wait()
				begin := time.Now()
				f, err := load()
				if took := time.Since(begin); (err == nil) != tt.ok || took < tt.least || took > tt.most {
					t.Errorf("%v after %s", err, took)
				}
				if err == nil && f.Lists[0].Len() != strings.Count(tt.parts[len(tt.parts)-1], "+") {
					t.Errorf("%d entries", f.Lists[0].Len())
				}
			})
		})
	}
}

// A list that was left alone is refused at once.
func TestBrokenListIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load, write := listed(t)
		write("+1404343\n")
		time.Sleep(time.Minute)
		begin := time.Now()
		if _, err := load(); err == nil || !strings.Contains(err.Error(), "line 1 is neither") {
			t.Error(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("refused after %s", took)
		}
	})
}
