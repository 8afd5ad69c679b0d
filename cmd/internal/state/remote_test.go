package state

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever else listens on the port is not taken for deflectd, and leads nowhere.
func TestWhoIsNoDeflectd(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, "is no deflectd: its answer cannot be read"},
		{"no page", http.NotFound, "is no deflectd that keeps a state (status 404)"},
		{"another place", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, "is no deflectd that keeps a state (status 307)"},
		{"an error without words", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); w.Write([]byte(`{"error": ""}`)) }, "is no deflectd that keeps a state (status 500)"},
		{"an error", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			w.Write([]byte(`{"error": "nothing here"}`))
		}, "nothing here"},
		{"an answer without an end", func(w http.ResponseWriter, _ *http.Request) {
			for w.Write([]byte(strings.Repeat("[", 1<<16))); ; {
				if _, err := w.Write([]byte(strings.Repeat("[", 1<<16))); err != nil {
					return
				}
			}
		}, "is no deflectd: its answer cannot be read"},
	} {
		srv := httptest.NewServer(tt.answer)
		client, base, err := Client(strings.TrimPrefix(srv.URL, "http://"), "")
		if err != nil {
			t.Fatal(err)
		}
		r := Remote{Client: client, Base: base}
		_, err = r.Forget(t.Context(), "+14043438646")
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "4043438646") || errors.Is(err, ErrAway) {
			t.Errorf("%s: %v", tt.name, err)
		}
		srv.Close()
		if _, err = r.List(t.Context()); !errors.Is(err, ErrAway) {
			t.Errorf("nobody: %v", err)
		}
	}
	if elsewhere > 0 {
		t.Errorf("somebody else was asked %d times", elsewhere)
	}
}
