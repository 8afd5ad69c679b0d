// Command elsewhere checks that all packages of the module, with their tests, compile on
// other systems:
//
//	go run .ci/elsewhere.go windows/amd64...
//
// It looks at the types alone. To make code of what they import, which go vet would do, takes
// minutes where nothing is made yet.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	bad := 0
	for _, target := range os.Args[1:] {
		system, arch, _ := strings.Cut(target, "/")
		loaded, err := packages.Load(&packages.Config{
			Mode:  packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
			Env:   append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0"),
			Tests: true,
		}, "./...")
		if err != nil {
			fmt.Println(target, err)
			os.Exit(1)
		}
		n := packages.PrintErrors(loaded)
		fmt.Printf("%s: %d packages, %d problems\n", target, len(loaded), n)
		bad += n
	}
	if bad > 0 {
		os.Exit(1)
	}
}
