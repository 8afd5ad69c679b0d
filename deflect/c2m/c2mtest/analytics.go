package c2mtest

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// group is a row of analytics. Handoff and Source are there when they are filtered by.
type group struct {
	Channel   string          `json:"channel"`
	Skill     string          `json:"skill"`
	Day       string          `json:"transactionday"` // month, day, year
	Handoff   string          `json:"handoffid,omitempty"`
	Source    string          `json:"source,omitempty"`
	Attempted int             `json:"attempted"`
	Eligible  int             `json:"eligible"`
	Skipped   int             `json:"skipped"`
	Sent      int             `json:"sent"`
	Failed    int             `json:"failed"` // attempted minus sent, as documented
	Delivered int             `json:"delivered"`
	Read      int             `json:"read"`
	Created   int             `json:"conversationscreated"`
	Closed    int             `json:"conversationsclosed"`
	CSAT      json.RawMessage `json:"csat"`
	Errors    map[string]int  `json:"error_aggregation"`
}

func (s *Server) analytics(account string, q query, rows []*transaction) double.Answer {
	type key struct{ day, channel, skill, handoff string }
	groups, all := map[key]*group{}, []*group{}
	for _, t := range rows {
		k := key{t.at.Format("01-02-2006"), t.Channel, t.Skill, ""}
		if len(q.filters["handoffids"]) > 0 {
			k.handoff = t.HandOffID
		}
		g := groups[k]
		if g == nil {
			g = &group{Channel: k.channel, Skill: k.skill, Day: k.day, Handoff: k.handoff, CSAT: json.RawMessage(`"0"`), Errors: map[string]int{}}
			if s.reporting.Numbers {
				g.CSAT = json.RawMessage("0")
			}
			if len(q.filters["source"]) > 0 {
				g.Source = "API"
			}
			groups[k] = g
			all = append(all, g)
		}
		g.add(t)
	}
	slices.SortFunc(all, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Skill, b.Skill), cmp.Compare(a.Handoff, b.Handoff))
	})
	return reported(len(all), struct {
		Metadata  metadata `json:"requestMetadata"`
		Analytics []*group `json:"analytics"`
	}{metadata{account, "c2m", q.start, q.end, q.filters}, all})
}

func (g *group) add(t *transaction) {
	for count, happened := range map[*int]*string{
		&g.Attempted: t.Attempted, &g.Eligible: t.Eligible, &g.Skipped: t.Skipped, &g.Sent: t.Sent, &g.Delivered: t.Delivered,
		&g.Read: t.Read, &g.Created: t.Created, &g.Closed: t.Closed,
	} {
		if happened != nil {
			*count++
		}
	}
	g.Failed = g.Attempted - g.Sent
	if t.err != "" {
		g.Errors[t.err]++
	}
}
