package config

import "reflect"

// Follows reports whether a daemon that runs with the configuration old can go on
// with f. The error is an [*Error] with every setting that needs a restart.
func (f File) Follows(old File) error {
	var changed []Problem
	for _, s := range []struct {
		path     string
		now, was any
	}{
		{"livedeflect.site_id", f.Deflect.SiteID, old.Deflect.SiteID},
		{"livedeflect.domain", f.Deflect.Domain, old.Deflect.Domain},
		{"livedeflect.base_url", f.Deflect.BaseURL, old.Deflect.BaseURL},
		{"livedeflect.max_text_length", f.Deflect.MaxTextLength, old.Deflect.MaxTextLength},
		{"default_region", f.Deflect.DefaultRegion, old.Deflect.DefaultRegion},
		{"freeswitch.outbound.listen", f.OutboundListen, old.OutboundListen},
		{"http.listen", f.HTTPListen, old.HTTPListen},
		{"log.format", f.Log.Format, old.Log.Format},
		{"report.every", f.Deflect.Report.Every > 0, old.Deflect.Report.Every > 0},
	} {
		if !reflect.DeepEqual(s.now, s.was) {
			changed = append(changed, Problem{Path: s.path, Text: "was changed, which needs a restart"})
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return &Error{File: f.Name, Problems: changed}
}
