package c2mtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// services are those that the Domain API knows, with what follows the region in the names
// of their hosts. The hosts that the vendor does not show are made up.
var services = map[string]string{
	"connectToMessagingDomain": ".connect-to-messaging.liveperson.net",
	"sentinel":                 ".sentinel.liveperson.net",
	"shiftstatus":              ".shift-status.liveperson.net",
	"agentVep":                 ".agentvep.liveperson.net",
	"asyncMessagingEnt":        ".msg.liveperson.net",
	"accountConfigReadOnly":    ".ac.liveperson.net",
	"leDataReporting":          ".data.liveperson.net",
	"msgHist":                  ".msghist.liveperson.net",
}

// host is what the Domain API says of a service, "" if there is none.
func (s *Server) host(service string) string {
	if host, set := s.cfg.Domains[service]; set {
		return host
	}
	suffix, known := services[service]
	if !known {
		return ""
	}
	if own := s.serving.Addr(); own != "" {
		return own
	}
	if s.cfg.BaseURL != defaultBaseURL {
		return s.base.Host
	}
	return s.cfg.Region + suffix
}

type domain struct {
	Service string `json:"service"`
	Account string `json:"account"`
	BaseURI string `json:"baseURI"`
}

func (s *Server) examineDomain(a *double.Arrival, r route) verdict {
	if a.RawQuery != "version=1.0" {
		return verdict{refusal: &refusal{status: http.StatusBadRequest, code: invalidVersion, text: "the query must be version=1.0"}}
	}
	var body any
	if r.arg != "" {
		host := s.host(r.arg)
		if host == "" {
			return verdict{refusal: &refusal{status: http.StatusBadRequest, code: invalidRequest, text: "there is no such service"}}
		}
		body = domain{r.arg, r.account, host}
	} else {
		all := []domain{}
		names := slices.AppendSeq(slices.Collect(maps.Keys(services)), maps.Keys(s.cfg.Domains))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if host := s.host(name); host != "" {
				all = append(all, domain{name, r.account, host})
			}
		}
		body = struct {
			BaseURIs []domain `json:"baseURIs"`
		}{all}
	}
	text, _ := json.Marshal(body) // of strings
	return verdict{process: func(rec *Received, _ Fault) (double.Answer, *message) {
		rec.Processed = true
		return double.JSONAnswer(http.StatusOK, string(text)), nil
	}}
}
