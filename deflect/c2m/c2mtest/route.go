package c2mtest

import (
	"net/http"
	"slices"
	"strings"
)

// The calls, as faults and Received name them.
const (
	CallEligibility  = "eligibility"
	CallInvite       = "invite"
	CallToken        = "token"
	CallDomain       = "domain"
	CallTransactions = "transactions"
	CallAnalytics    = "analytics"
	CallShiftStatus  = "shift_status"
)

// Calls gives all of them.
func Calls() []string {
	return []string{
		CallEligibility, CallInvite, CallToken, CallDomain, CallTransactions, CallAnalytics, CallShiftStatus,
	}
}

// route is what a path leads to. The zero one is nowhere.
type route struct {
	call    string
	account string
	arg     string // the service, or the id of the skill
}

// paths are those of the calls, below the base. A star stands for one element that is
// not empty: the account, and then what the call is about.
var paths = []struct {
	call     string
	elements []string
}{
	{CallEligibility, elements("api/account/*/eligibility")},
	{CallInvite, elements("api/account/*/invite")},
	{CallToken, elements("sentinel/api/v2/account/*/app/token")},
	{CallDomain, elements("api/account/*/service/*/baseURI.json")},
	{CallDomain, elements("api/account/*/service/baseURI.json")},
	{CallTransactions, elements("api/account/*/app/c2m/transactions/")},
	{CallAnalytics, elements("api/account/*/app/c2m/analytics/")},
	{CallShiftStatus, elements("api/account/*/skills/*/shift-status-skill")},
}

func elements(path string) []string { return strings.Split(path, "/") }

func (s *Server) route(path string) route {
	path, ok := strings.CutPrefix(path, s.base.Path+"/")
	if !ok {
		return route{}
	}
	asked := elements(path)
	for _, p := range paths {
		if r, ok := match(p.elements, asked); ok {
			r.call = p.call
			return r
		}
	}
	return route{}
}

func match(pattern, asked []string) (r route, ok bool) {
	if len(pattern) != len(asked) {
		return route{}, false
	}
	for i, p := range pattern {
		switch {
		case p != "*" && p != asked[i], p == "*" && asked[i] == "":
			return route{}, false
		case p == "*" && r.account == "":
			r.account = asked[i]
		case p == "*":
			r.arg = asked[i]
		}
	}
	return r, true
}

// methods are those that a call knows.
var methods = map[string][]string{
	CallEligibility: {http.MethodPost}, CallInvite: {http.MethodPost}, CallToken: {http.MethodPost}, CallDomain: {http.MethodGet},
	CallTransactions: {http.MethodPost}, CallAnalytics: {http.MethodGet, http.MethodPost}, CallShiftStatus: {http.MethodGet},
}

func (r route) allows(method string) bool { return slices.Contains(methods[r.call], method) }
