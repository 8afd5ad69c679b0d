package phone_test

import (
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

func ExampleNumber() {
	var n phone.Number = "+1 (404) 343-8646"
	fmt.Println(n)
	fmt.Println(string(n))
	fmt.Println(n.Hidden())
	// Output:
	// ***46
	// +1 (404) 343-8646
	// false
}

// Mobiles of Brazil have a ninth digit since 2016: an old list and a new network mean one
// phone.
func ExampleSpellings() {
	fmt.Println(phone.Spellings("+551161234567"))
	fmt.Println(phone.Spellings("+14043438646"))
	// Output:
	// +5511961234567 +551161234567
	// +14043438646
}
