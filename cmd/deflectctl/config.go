package main

import (
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

type configCmd struct {
	Reference bool `required:"" help:"Print every key with its default, what it may be, and what it means, as Markdown."`
}

// Help is shown below the usage.
func (configCmd) Help() string {
	return `What a configuration can hold. What one holds, 'deflectctl check' tells.`
}

// Run prints the reference.
func (c *configCmd) Run(a *app) error {
	_, err := fmt.Fprint(a.stdout, config.Reference())
	return err
}
