package donottext_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "do-not-text.txt")
	if err := os.WriteFile(name, []byte("+14043438646\n(404) 343-8647  # asked on the phone\n# end 2\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	list, err := donottext.Open(name, "US")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, number := range []string{"+14043438647", "+14043438648"} {
		held, err := list.Holds(context.Background(), number)
		fmt.Println(held, err)
	}
	policy, err := deflect.NewPolicy("sales", deflect.Rules{DoNotText: list})
	fmt.Println(policy.Name(), err)
	// Output:
	// true <nil>
	// false <nil>
	// sales <nil>
}
