package donottext_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
)

// list is one that says always the same, and counts.
type list struct {
	held  bool
	err   error
	asked int
}

func (l *list) Holds(context.Context, string) (bool, error) {
	l.asked++
	return l.held, l.err
}

func TestAny(t *testing.T) {
	away := errors.New("away")
	for _, tt := range []struct {
		name  string
		lists []*list
		held  bool
		err   error
		asked []int
	}{
		{"none holds", []*list{{}, {}, {}}, false, nil, []int{1, 1, 1}},
		{"the first", []*list{{held: true}, {err: away}}, true, nil, []int{1, 0}},
		{"the last", []*list{{}, {}, {held: true}}, true, nil, []int{1, 1, 1}},
		{"one does not know", []*list{{}, {err: away}, {held: true}}, false, away, []int{1, 1, 0}},
		{"the last does not know", []*list{{}, {err: away}}, false, away, []int{1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lists := []deflect.DoNotText{nil}
			for _, l := range tt.lists {
				lists = append(lists, l, nil)
			}
			held, err := donottext.Any(lists...).Holds(t.Context(), "+14043438646")
			if held != tt.held || !errors.Is(err, tt.err) {
				t.Errorf("Holds = %t, %v", held, err)
			}
			for i, l := range tt.lists {
				if l.asked != tt.asked[i] {
					t.Errorf("list %d was asked %d times, want %d", i, l.asked, tt.asked[i])
				}
			}
		})
	}
	only := &list{}
	if donottext.Any() != nil || donottext.Any(nil, nil) != nil || donottext.Any(nil, only) != deflect.DoNotText(only) {
		t.Error("of none there is a list, or of one another one")
	}
}
