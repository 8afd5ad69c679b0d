package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// openAPIs makes what texts are sent through, and returns the configuration with it. It does
// not connect. The journal and the fleet are open.
func (d *Daemon) openAPIs(o Options, reg prometheus.Registerer) (config.File, error) {
	with := apis.Options{Logger: o.Logger, Registerer: reg, Transport: o.Transport}
	if d.journal != nil {
		with.Store = hosts{d.journal, o.Config.StateDir, o.Logger}
	}
	if d.fleet != nil {
		budgets := d.fleet.Budgets()
		with.Rate = func(account string, perSecond int) c2m.Rate {
			return &fleetRate{budgets, "c2m rate " + account, perSecond}
		}
	}
	var err error
	if d.apis, o.Config, err = apis.Open(o.Config, with); err != nil {
		return o.Config, fmt.Errorf("daemon: %w", err)
	}
	return o.Config, nil
}

// hosts keeps what the Domain API told beside the journal.
type hosts struct {
	journal *journal.Journal
	dir     string
	log     *slog.Logger
}

func (h hosts) Save(content []byte) error { return h.journal.SaveHosts(content) }

func (h hosts) Load() []byte {
	content, err := journal.LoadHosts(h.dir)
	if err != nil {
		h.log.Warn("hosts of the API that were kept cannot be read, and are asked for again", "err", err)
	}
	return content
}

// fleetRate is the rate of Connect to Messaging over the fleet: a place for each request,
// which comes free by itself.
type fleetRate struct {
	budgets   deflect.Budgets
	name      string
	perSecond int
}

// rateWindow is more than a second, for requests do not arrive as evenly as they leave.
const rateWindow = 1050 * time.Millisecond

// Take implements [c2m.Rate].
func (r *fleetRate) Take(ctx context.Context) (bool, error) {
	return r.budgets.Take(ctx, r.name, rand.Text(), deflect.Budget{Texts: r.perSecond, Per: rateWindow})
}
