package fleet

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// testKey is the key of the fleets of tests.
var testKey = bytes.Repeat([]byte{7}, KeySize)

// newFleet makes a Fleet of a server, with what change does to its configuration.
func newFleet(t *testing.T, addr string, change ...func(*Config)) *Fleet {
	t.Helper()
	cfg := Config{Addresses: []string{addr}, Key: testKey}
	for _, f := range change {
		f(&cfg)
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestNewTellsAll(t *testing.T) {
	_, err := New(Config{})
	var bad *deflect.ConfigError
	if !errors.As(err, &bad) || !errors.Is(err, deflect.ErrInvalidConfig) {
		t.Fatalf("error %v", err)
	}
}

func TestDo(t *testing.T) {
	f := newFleet(t, miniredis.RunT(t).Addr())
	err := f.do(t.Context(), "held", func(ctx context.Context) error {
		return f.rdb.Set(ctx, f.key("x", "y"), 1, 0).Err()
	})
	if err != nil {
		t.Error(err)
	}
}
