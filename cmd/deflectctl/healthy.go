package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

type healthyCmd struct {
	Config string `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration of deflectd."`
}

// Help is shown below the usage.
func (healthyCmd) Help() string {
	return `For where there is neither a shell nor curl, as in a container: asks /healthz of the deflectd that runs on this machine
with the configuration. A deflectd that is full or drains is up.`
}

// Run asks.
func (c *healthyCmd) Run(a *app) error {
	file, err := loadKeyless(a, c.Config)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true}, // and no proxy
		Timeout:   4 * time.Second,
	}
	req, err := http.NewRequestWithContext(a.ctx, http.MethodGet, "http://"+state.Reach(file.HTTPListen)+"/healthz", nil)
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
