package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// healthyFor is how long an answer may take.
const healthyFor = 4 * time.Second

type healthyCmd struct {
	Config string `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration of deflectd."`
	portFlags
}

// Help is shown below the usage.
func (healthyCmd) Help() string {
	return `For where there is neither a shell nor curl, as in a container: asks /healthz of the deflectd that runs on this machine
with the configuration. A deflectd that is full or drains is up, and so is one that has refused the configuration at a reload.`
}

// Run asks.
func (c *healthyCmd) Run(a *app) error {
	file, err := config.LoadKeyless(c.Config, a.getenv)
	if err != nil && file.HTTPListen == "" {
		_, err = told(a, c.Config, file, err)
		return err
	}
	client, base, err := c.client(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, healthyFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("deflectd is not up: %w", err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(io.LimitReader(resp.Body, 16)); err != nil || resp.StatusCode != http.StatusOK || string(text) != "ok\n" {
		return fmt.Errorf("what listens on %s (http.listen) is no deflectd that is up (status %d)", file.HTTPListen, resp.StatusCode)
	}
	_, err = fmt.Fprintln(a.stdout, "ok")
	return err
}
