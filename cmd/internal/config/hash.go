package config

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// Hash is the same for two configurations that serve calls alike: it leaves out what is of
// one machine, which are the addresses that are listened on, the folder of the state, the
// switches that are watched and where secrets are, and what only shows what happens: the status
// page, profiles of Go, traces of calls. With redis it is made with the key of
// the fleet, and has the secrets in it; without, it has none, which could be guessed by it.
func (f File) Hash() string {
	f.OutboundListen, f.HTTPListen = "", ""
	f.NoStatus, f.Pprof, f.traced = false, false, make([]bool, len(f.traced))
	f.FreeSWITCH.Inbound = nil
	if f.StateDir != "" {
		f.StateDir = "set"
	}
	for _, api := range []*access{&f.secrets.live, &f.secrets.c2m} {
		api.consumer, api.tokenSecret, api.clientSecret = origin{}, origin{}, origin{}
	}
	f.secrets.switches = nil
	f.redis.password, f.redis.sentinelPassword, f.redis.keyFile, f.redis.caFile = origin{}, origin{}, "", ""
	sum := sha256.New()
	if f.Fleet != nil {
		sum = hmac.New(sha256.New, f.Fleet.Key)
		for _, auth := range f.auths() {
			switch auth := auth.(type) {
			case liveperson.OAuth1:
				fmt.Fprintf(sum, "%q\n", []string{auth.ConsumerSecret.Reveal(), auth.TokenSecret.Reveal()})
			case *liveperson.OAuth2:
				fmt.Fprintf(sum, "%q\n", auth.ClientSecret.Reveal())
			}
		}
		fmt.Fprintf(sum, "%q\n", []string{
			f.Fleet.Password.Reveal(), f.Fleet.SentinelPassword.Reveal(), string(f.redis.ca),
		})
	}
	io.WriteString(sum, f.Effective())
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
