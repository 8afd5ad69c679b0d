package donottext

import (
	"context"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Any is several lists as one, such as a file and the opt-outs of the day: it holds what any
// of them holds. They are asked in their order, and the first one that holds the number, or
// does not know, decides. Nil ones are left out; without any list it is nil.
func Any(lists ...deflect.DoNotText) deflect.DoNotText {
	var there anyOf
	for _, l := range lists {
		if l != nil {
			there = append(there, l)
		}
	}
	switch len(there) {
	case 0:
		return nil
	case 1:
		return there[0]
	}
	return there
}

type anyOf []deflect.DoNotText

// Holds implements [deflect.DoNotText].
func (a anyOf) Holds(ctx context.Context, e164 string) (bool, error) {
	for _, l := range a {
		if held, err := l.Holds(ctx, e164); held || err != nil {
			return held, err
		}
	}
	return false, nil
}
