package fleet

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		url  string
		want Config
		tls  string
	}{
		{"redis://fleet.example", Config{Addresses: []string{"fleet.example:6379"}}, ""},
		{"redis://fleet.example:7000/3", Config{Addresses: []string{"fleet.example:7000"}, DB: 3}, ""},
		{"redis://[::1]:7000/", Config{Addresses: []string{"[::1]:7000"}}, ""},
		{"redis://[::1]", Config{Addresses: []string{"[::1]:6379"}}, ""},
		{"rediss://u:p%40ss@fleet.example:6380/0", Config{Addresses: []string{"fleet.example:6380"}, Username: "u", Password: deflect.NewSecret("p@ss")}, "fleet.example"},
		{"redis://:pass@fleet.example", Config{Addresses: []string{"fleet.example:6379"}, Password: deflect.NewSecret("pass")}, ""},
	} {
		got, err := ParseURL(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		name := ""
		if got.TLS != nil {
			name, got.TLS = got.TLS.ServerName, nil
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || name != tt.tls {
			t.Errorf("%s: TLS of %q, and (-want +got):\n%s", tt.url, name, diff)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, url := range []string{
		"", "fleet.example:6379", "http://u:hunter2@fleet.example", "redis://", "redis://:hunter2@", "redis:fleet",
		"redis://u:hunter2@fleet.example:port", "redis://u:hunter2@fleet.example/x", "redis://u:hunter2@fleet.example/-1",
		"redis://u:hunter2@fleet.example/0/1", "redis://u:hunter2@fleet.example?timeout=1s", "redis://u:hunter2@fleet.example#x", "redis://u:hunter2@[::1", "unix:///run/redis",
	} {
		cfg, err := ParseURL(url)
		if err == nil {
			t.Errorf("%s is taken: %v", url, cfg)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}
