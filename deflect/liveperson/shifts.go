package liveperson

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// LivePerson's page on the shift status of a skill: it takes a bearer token, and answers
// skillId, onShift, nextOn and nextOff.
const (
	shiftPath    = "/api/account/%s/skills/%s/shift-status-skill"
	serviceShift = "shiftstatus"

	shiftFresh = 30 * time.Second
	shiftLasts = 5 * time.Minute
)

const callShift = "shift_status"

// ShiftsConfig says of which account the shifts are. Account, Auth and one of URL and
// Domains are required.
type ShiftsConfig struct {
	Account string        // LivePerson account id
	Auth    Authenticator // an [OAuth2]: keys of OAuth 1.0 are not taken
	// URL is that of the service shiftstatus, https, or http to a loopback address. When it
	// is empty Domains is asked.
	URL     string
	Domains *Domains
	// Transport replaces the HTTP transport; nil is [NewTransport].
	Transport http.RoundTripper
	// Logger gets a line when a status cannot be asked for; nil discards.
	Logger *slog.Logger
}

// Shifts knows for which skills of an account anybody is on shift. It is safe for concurrent
// use.
type Shifts struct {
	cfg  ShiftsConfig
	link *wire.Link
	meter

	mu     sync.Mutex
	skills map[string]*Shift
}

// NewShifts returns a Shifts, and an error, a [*deflect.ConfigError] a field, when the
// configuration is wrong. It does not touch the network.
func NewShifts(cfg ShiftsConfig) (*Shifts, error) {
	var errs []error
	bad := func(field string, err error) { errs = append(errs, &deflect.ConfigError{Field: field, Err: err}) }
	if !wire.IsAccount(cfg.Account) {
		bad("Account", errors.New("is not an account id (letters and digits)"))
	}
	if cfg.Auth == nil {
		bad("Auth", errors.New("is missing: the shift status wants a token"))
	} else if v, ok := cfg.Auth.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			bad("Auth", err)
		}
	}
	switch cfg.Auth.(type) {
	case OAuth1, *OAuth1:
		bad("Auth", errors.New("is OAuth 1.0, which the shift status does not take; it wants OAuth 2.0"))
	}
	if cfg.URL != "" {
		root, err := wire.Root(cfg.URL)
		if err != nil {
			bad("URL", err)
		}
		cfg.URL = root
	} else if cfg.Domains == nil {
		bad("URL", errors.New("is missing: where the service shiftstatus is, or a Domains"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Transport == nil {
		cfg.Transport = NewTransport()
	}
	return &Shifts{cfg: cfg, link: wire.NewLink(cfg.Auth, cfg.Transport, &wire.Clock{}), skills: map[string]*Shift{}}, nil
}

// Calls names its requests, as [deflect.Meter] has it: "shift_status". Those of Auth and
// Domains are their own.
func (s *Shifts) Calls() []string { return []string{callShift} }

// Of returns the shifts of a skill, by its id, which is a number. The same id has the same
// Shift.
func (s *Shifts) Of(skillID string) *Shift {
	s.mu.Lock()
	defer s.mu.Unlock()
	shift := s.skills[skillID]
	if shift == nil {
		shift = &Shift{shifts: s, skill: skillID}
		s.skills[skillID] = shift
	}
	return shift
}

// Shift is whether anybody is on shift for one skill: a [deflect.Agents]. It is asked for
// beside the calls, when one wants to know and the last answer is 30 seconds old; what is
// older than 5 minutes is not known any more.
type Shift struct {
	shifts *Shifts
	skill  string
	status source[bool]
}

var _ deflect.Agents = (*Shift)(nil)

// OnShift implements [deflect.Agents]. The first call does not know yet.
func (s *Shift) OnShift() (on, known bool) {
	h, _, _ := s.status.now(nil, s.ask)
	if h == nil {
		return false, false
	}
	return h.value, true
}

var skillForm = regexp.MustCompile(`^[0-9]{1,19}$`)

// ValidSkillID reports whether an id is one that a skill can have: a number.
func ValidSkillID(id string) bool { return skillForm.MatchString(id) }

func (s *Shift) ask(ctx context.Context) (*held[bool], error) {
	reason := deflect.ReasonInternal
	defer func() { s.shifts.count(callShift, reason) }()
	asked := time.Now()
	on, reason, err := s.exchange(ctx)
	if err != nil {
		s.shifts.cfg.Logger.Warn("nobody knows who is on shift", "skill_id", s.skill, "err", err)
		return nil, err
	}
	return hold(on, asked, shiftFresh, shiftLasts), nil
}

func (s *Shift) exchange(ctx context.Context) (on bool, r deflect.Reason, err error) {
	const who = "the shift status"
	cfg := &s.shifts.cfg
	if !ValidSkillID(s.skill) {
		return false, deflect.ReasonInvalidCall, errors.New("the id of the skill is no number")
	}
	root := cfg.URL
	if root == "" {
		if root, err = cfg.Domains.Root(ctx, serviceShift); err != nil {
			return false, deflect.ReasonUnreachable, err
		}
	}
	resp, t, err := s.shifts.link.Get(ctx, root+fmt.Sprintf(shiftPath, cfg.Account, s.skill))
	if err != nil {
		a := wire.Broken(ctx, t, err)
		if a.Reason == deflect.ReasonDeadline {
			a.Reason = deflect.ReasonTimeout // nobody waits for whether anything left
		}
		return false, a.Reason, a.Err
	}
	status, body, err := readAll(ctx, resp)
	if r, why := unanswered(ctx, who, err); r != "" {
		return false, r, why
	}
	if r, why := unasked(status, who); why != nil {
		return false, r, why
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return false, deflect.ReasonUnauthorized, fmt.Errorf("%s refuses the credentials (HTTP %d): ask LivePerson whether the app may read it", who, status)
	case status >= 400:
		return false, deflect.ReasonRejected, fmt.Errorf("%s knows no such skill (HTTP %d): check the account and the id of the skill", who, status)
	}
	if err == nil {
		on, err = readShift(body, s.skill)
	}
	if err != nil {
		return false, deflect.ReasonBadResponse, fmt.Errorf("%s: %w: check its address, and proxies on the way", who, err)
	}
	return on, deflect.ReasonOK, nil
}

// readShift reads an answer. The page shows the id of the skill under two names.
func readShift(body []byte, skill string) (on bool, err error) {
	var a struct {
		SkillID jsontext.Value `json:"skillId"`
		Skill   jsontext.Value `json:"skill"`
		OnShift jsontext.Value `json:"onShift"`
	}
	if err := json.Unmarshal(body, &a, wire.AnswerOptions); err != nil {
		return false, errors.New("the answer is no JSON object")
	}
	for _, id := range []string{wire.Scalar(a.SkillID), wire.Scalar(a.Skill)} {
		if ValidSkillID(id) && strings.TrimLeft(id, "0") != strings.TrimLeft(skill, "0") {
			return false, errors.New("the answer is about another skill")
		}
	}
	switch strings.ToLower(wire.Scalar(a.OnShift)) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("the answer does not say who is on shift")
}
