package deflect_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
)

// A rotated key works for the next request, and the client forgets nothing.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, reg := deflecttest.New(keys), prometheus.NewRegistry()
		wrong := auth()
		wrong.ConsumerSecret = "of yesterday"
		base := deflect.Config{SiteID: keys.SiteID, Domain: "va", Auth: wrong, Transport: api, Registerer: reg, Breaker: deflect.BreakerConfig{Failures: 2}}
		client, err := deflect.New(base)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		call := call()
		call.Policy = policy(t, deflect.Rules{})
		if _, err := client.Deflect(t.Context(), call); deflect.ReasonOf(err) != deflect.ReasonUnauthorized {
			t.Fatalf("with the old key: %v", err)
		}

		next := base
		next.Auth, next.Transport, next.Registerer, next.DefaultRegion = auth(), nil, nil, "DE"
		if err := client.Reload(next); err != nil {
			t.Fatal(err)
		}
		if client.DefaultRegion() != "DE" {
			t.Error("the region stayed")
		}
		if _, err := client.Deflect(t.Context(), call); err != nil {
			t.Fatalf("with the new key: %v", err)
		}
		if _, err := client.Offer(t.Context(), call); deflect.ReasonOf(err) != deflect.ReasonCooldown {
			t.Errorf("the cooldown is forgotten: %v", err)
		}

		// One failure before, one after: the same breaker counts both.
		other := func() deflect.Call { c := call; c.ANI = "+14043438699"; return c }
		api.SetFault(&deflecttest.Fault{Status: 429})
		client.Deflect(t.Context(), other()) //nolint:errcheck // fails
		if err := client.Reload(next); err != nil {
			t.Fatal(err)
		}
		client.Deflect(t.Context(), other()) //nolint:errcheck // fails
		wantState(t, reg, "open")
		// Other settings are another breaker.
		next.Breaker.Failures = 7
		if err := client.Reload(next); err != nil {
			t.Fatal(err)
		}
		wantState(t, reg, "closed")
	})
}

func TestReloadRefuses(t *testing.T) {
	api := deflecttest.New(keys)
	client := newClient(t, api, nil)
	good := deflect.Config{SiteID: keys.SiteID, Domain: "va", Auth: auth()}
	for _, tt := range []struct {
		field  string
		change func(*deflect.Config)
	}{
		{"SiteID", func(c *deflect.Config) { c.SiteID = "" }},
		{"LiveDeadline", func(c *deflect.Config) { c.LiveDeadline = -1 }},
		{"MaxCooldowns", func(c *deflect.Config) { c.MaxCooldowns = -1 }},
		{"Report.Every", func(c *deflect.Config) { c.Report.Every = time.Minute }},
	} {
		cfg := good
		tt.change(&cfg)
		err := client.Reload(cfg)
		var c *deflect.ConfigError
		if !errors.As(err, &c) || c.Field != tt.field {
			t.Errorf("Reload = %v, want a problem of %s", err, tt.field)
		}
	}
	if _, err := client.Deflect(t.Context(), call()); err != nil {
		t.Errorf("after refused reloads: %v", err)
	}
}

// What began with one configuration ends with it.
func TestReloadDuringARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := deflecttest.New(keys)
		api.SetFault(&deflecttest.Fault{Delay: 3 * time.Second})
		client := newClient(t, api, nil)
		done := make(chan error)
		go func() {
			_, err := client.Deflect(t.Context(), call())
			done <- err
		}()
		time.Sleep(time.Second)
		short := deflect.Config{SiteID: keys.SiteID, Domain: "va", Auth: auth(), LiveDeadline: time.Second}
		if err := client.Reload(short); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("the request in progress: %v", err)
		}
		if _, err := client.Deflect(t.Context(), call()); deflect.ReasonOf(err) != deflect.ReasonTimeout {
			t.Errorf("the next one: %v", err)
		}
	})
}
