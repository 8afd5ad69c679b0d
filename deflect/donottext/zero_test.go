package donottext_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
)

// A list that was not opened does not panic, and lets nobody through.
func TestZeroFile(t *testing.T) {
	var list donottext.File
	name, _ := listFile(t, "+14043438646\n")
	opened, err := donottext.Open(name, "US")
	if err != nil {
		t.Fatal(err)
	}
	list.Keep(opened)
	list.Keep(nil)
	if !holds(&list, "+14043438647") || list.Len() != 0 || list.Name() != "" || list.Whole() || list.Warnings() != nil {
		t.Error("a list that was not opened does not hold everybody")
	}
	opened.Keep(nil)
	opened.Keep(new(donottext.File))
	if !holds(opened, "+14043438646") || holds(opened, "+14043438647") {
		t.Error("a list that was to keep nothing forgot what it has")
	}
	if _, err := list.Refresh(); err == nil {
		t.Error("a list that was not opened can be refreshed")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		new(donottext.File).Watch(ctx, slog.New(slog.DiscardHandler))
		list.Watch(ctx, slog.New(slog.NewTextHandler(t.Output(), nil)))
	})
	if !holds(nil, "+14043438646") {
		t.Error("a nil list holds nobody")
	}
}
