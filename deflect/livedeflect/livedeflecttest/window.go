package livedeflecttest

import (
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

const pathReport = "/api/getLiveDeflectData/v2"

// window is what a report is asked for. Times are epoch milliseconds.
type window struct {
	siteID     string
	start, end int64
}

// reportRequest is the body of a request to getLiveDeflectData.
type reportRequest struct{ siteID, startTime, endTime string }

var reportFields = []double.Field[reportRequest]{
	double.Required("siteId", func(r *reportRequest) *string { return &r.siteID }),
	double.Required("startTime", func(r *reportRequest) *string { return &r.startTime }),
	double.Required("endTime", func(r *reportRequest) *string { return &r.endTime }),
}

// checkReport holds a request to getLiveDeflectData against the published
// table.
func (s *Server) checkReport(a *double.Arrival) (*window, string) {
	var r reportRequest
	problems := double.CheckHeader(a)
	rest, more := double.DecodeStrings(a, reportFields, &r)
	more = append(more, double.Unknown(rest)...)
	problems = append(problems, more...)
	if len(more) == 0 {
		problems = append(problems, double.Missing(reportFields, &r)...)
		problems = append(problems, s.checkSite(r.siteID)...)
		problems = append(problems, Milliseconds.check(moment{"startTime", r.startTime}, moment{"endTime", r.endTime})...)
	}
	if len(problems) > 0 {
		return nil, strings.Join(problems, "; ")
	}
	return &window{siteID: r.siteID, start: milliseconds(r.startTime), end: milliseconds(r.endTime)}, ""
}
