package livedeflect

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// An authenticator that fails has sent nothing, whatever the transport could prove.
func TestAuthenticatorFailure(t *testing.T) {
	c := testClient(t, func(c *bothConfig) { c.Auth, c.Transport = failingAuth{}, refusing{errors.New("never asked")} })
	res, err := c.Deflect(context.Background(), validCall())
	if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonUnauthorized || !deflect.NotSent(err) {
		t.Errorf("Deflect = %+v, %v", res, err)
	}
}

type failingAuth struct{}

func (failingAuth) Transport(http.RoundTripper) http.RoundTripper { return failingAuth{} }

func (failingAuth) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no token to be had")
}
