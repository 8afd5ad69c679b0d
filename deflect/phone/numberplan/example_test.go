package numberplan_test

import (
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

func ExampleParse() {
	n, ok := numberplan.Parse("0400 111 222", "AU")
	fmt.Println(ok, n.E164)
	fmt.Println(n.Region, n.Kind == phone.Mobile)
	fmt.Println(n.National, numberplan.WithTrunkPrefix(n))
	// Output:
	// true +61400111222
	// AU true
	// 400111222 0400111222
}
