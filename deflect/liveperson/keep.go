package liveperson

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// told is what a Store keeps: what the Domain API told last.
type told struct {
	Account string              `json:"account"`
	By      string              `json:"by,omitempty"` // URL of who told, unless it was LivePerson's: a double's account is another one
	Hosts   map[string]toldHost `json:"hosts"`        // by service
}

type toldHost struct {
	Host string    `json:"host"`
	At   time.Time `json:"at"`
}

// What a Store gives is believed like an answer, and is as long.
const (
	mostTold  = 64 << 10
	mostHosts = 64
)

// load takes what the Store has. An old answer is used until there is a new one.
func (d *Domains) load() {
	if d.cfg.Store == nil {
		return
	}
	text := d.cfg.Store.Load()
	if len(text) == 0 {
		return
	}
	var kept told
	if len(text) > mostTold || json.Unmarshal(text, &kept) != nil || len(kept.Hosts) > mostHosts {
		d.cfg.Logger.Warn("kept hosts of services cannot be read, they are asked for again")
		return
	}
	if kept.Account != d.cfg.Account || kept.By != d.by() {
		return
	}
	now := time.Now()
	for service, k := range kept.Hosts {
		if !serviceForm.MatchString(service) || !d.believes(k.Host) {
			continue
		}
		h := hold(k.Host, now, domainFresh, 0)
		if h.wall = k.At; k.At.After(now) {
			h.wall = time.Time{} // some clock is wrong
		}
		d.hosts[service] = &source[string]{held: h}
		d.kept[service] = k
	}
}

// save gives the Store what was told, also now. That it fails is no reason not to use it.
func (d *Domains) save(service string, h *held[string]) {
	if d.cfg.Store == nil {
		return
	}
	d.saving.Lock()
	defer d.saving.Unlock()
	defer func() {
		if p := recover(); p != nil {
			d.saveFailed(errors.New("defect: " + clean.Panic(p)))
		}
	}()
	d.kept[service] = toldHost{h.value, h.wall.UTC()}
	text, err := json.Marshal(told{d.cfg.Account, d.by(), d.kept}, json.Deterministic(true))
	if err == nil {
		err = d.cfg.Store.Save(text)
	}
	if err != nil {
		d.saveFailed(err)
	}
}

// by is the URL of the Domain API, "" for LivePerson's.
func (d *Domains) by() string {
	if d.root == domainAPI {
		return ""
	}
	return d.root
}

func (d *Domains) saveFailed(err error) {
	d.cfg.Logger.Warn("hosts of services cannot be kept, so that the next start needs the Domain API", "err", err)
}
