// Package rig makes clients for tests: the engine with the LiveDeflect API behind it, as
// one value.
package rig

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

type (
	engine = deflect.Config
	vendor = livedeflect.Config
)

// Config is that of both.
type Config struct {
	engine
	vendor
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (c Config) both() (deflect.Config, livedeflect.Config) {
	c.engine.Logger, c.engine.Registerer = c.Logger, c.Registerer
	c.vendor.Logger, c.vendor.Registerer = c.Logger, c.Registerer
	return c.engine, c.vendor
}

// Client is both clients.
type Client struct {
	*deflect.Client
	API *livedeflect.Client
	cfg Config
}

// New returns a client of a configuration, and an error of either.
func New(cfg Config) (*Client, error) {
	e, v := cfg.both()
	api, err := livedeflect.New(v)
	if err != nil {
		return nil, errors.Join(err, e.Validate())
	}
	e.Backend = api
	c, err := deflect.New(e)
	if err != nil {
		api.Close()
		return nil, err
	}
	return &Client{c, api, cfg}, nil
}

// Must is New for a test that ends with the client.
func Must(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Close closes both.
func (c *Client) Close() {
	c.Client.Close()
	c.API.Close()
}

// Reload reloads both, or none. It is called by one goroutine at a time.
func (c *Client) Reload(cfg Config) error {
	e, v := cfg.both()
	oldEngine, oldVendor := c.cfg.both()
	e.Backend = c.API
	if err := errors.Join(v.Validate(), e.Validate(), v.Follows(oldVendor), e.Follows(oldEngine)); err != nil {
		return err
	}
	if err := errors.Join(c.API.Reload(v), c.Client.Reload(e)); err != nil {
		return err
	}
	c.cfg = cfg
	return nil
}

// Preview returns what Deflect would send.
func (c *Client) Preview(call deflect.Call) (url string, body []byte, err error) {
	t, err := c.Client.Preview(context.Background(), call)
	if err != nil {
		return "", nil, err
	}
	url, body = c.API.Preview(t)
	return url, body, nil
}
