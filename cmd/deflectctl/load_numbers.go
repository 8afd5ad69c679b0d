package main

import (
	"fmt"
	"sync"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// callers gives every caller another number.
type callers struct {
	from  string // counts up from here, or ...
	areas []int  // ... goes round the fictional numbers of these area codes
	of    int    // how many numbers there are, 0 for no end
}

// The numbers 555 0100 to 0199 of every North American area code are kept free for
// fiction.
const (
	firstFictional   = 100
	fictionalNumbers = 100
)

// fictional are numbers that belong to nobody and pass deflectd's rules: numbers of
// the United States that may be mobiles.
var fictional = sync.OnceValue(func() (c callers) {
	for area := 200; area < 1000; area++ {
		n, _ := numberplan.Read(phone.Number(fictionalNumber(area, firstFictional)), "US")
		if n.Region == "US" && n.Kind == phone.MaybeMobile {
			c.areas = append(c.areas, area)
		}
	}
	c.of = len(c.areas) * fictionalNumbers
	return c
})

func fictionalNumber(area, line int) string { return fmt.Sprintf("+1%d555%04d", area, line) }

// number is that of caller i.
func (c callers) number(i int) string {
	if c.of == 0 {
		return following(c.from, i)
	}
	area, line := i%len(c.areas), i/len(c.areas)%fictionalNumbers
	return fictionalNumber(c.areas[area], firstFictional+line)
}
