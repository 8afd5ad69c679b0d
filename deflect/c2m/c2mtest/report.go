package c2mtest

import (
	"net/http"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// Report says how transactions and analytics are answered.
type Report struct{}

func (r Report) validate() error { return nil }

func (s *Server) examineReport(a *double.Arrival, r route) verdict {
	return verdict{refusal: &refusal{status: http.StatusNotFound, code: notFound, text: "not yet"}}
}
