package c2mtest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const pathDomain = "/api/account/" + testAccount + "/service/"

func TestDomain(t *testing.T) {
	t.Parallel()
	socket := testConfig()
	named := testConfig()
	named.BaseURL, named.Domains = "https://api.example.com/below", map[string]string{"sentinel": "z1.sentinel.liveperson.net", "own": "x.example.com", "agentVep": ""}
	region := testConfig()
	region.Region = "lo"
	memory, served, based := New(region), RunT(t, socket), New(named)
	own := strings.TrimPrefix(served.URL(), "http://")
	for _, tt := range []struct {
		s             *Server
		service, want string
	}{
		{memory, "connectToMessagingDomain", "lo.connect-to-messaging.liveperson.net"},
		{memory, "sentinel", "lo.sentinel.liveperson.net"},
		{memory, "agentVep", "lo.agentvep.liveperson.net"},
		{memory, "shiftstatus", "lo.shift-status.liveperson.net"},
		{served, "sentinel", own},
		{based, "sentinel", "z1.sentinel.liveperson.net"},
		{based, "own", "x.example.com"},
		{based, "shiftstatus", "api.example.com"},
		{based, "agentVep", ""},
		{memory, "own", ""},
		{memory, "Sentinel", ""},
	} {
		client := inMemory(tt.s)
		if tt.s == served {
			client = overSocket(t)
		}
		req := request(t, t.Context(), tt.s, http.MethodGet, pathDomain+tt.service+"/baseURI.json?version=1.0", "")
		req.Header.Del("Authorization")
		got := send(client, req)
		want := `{"service":"` + tt.service + `","account":"` + testAccount + `","baseURI":"` + tt.want + `"}`
		if tt.want == "" {
			want = `{"code":0,"message":"there is no such service"}`
		}
		if got.body != want || (got.status == 200) != (tt.want != "") || got.status != 200 && got.status != 400 {
			t.Errorf("%s: got %+v, want %s", tt.service, got, want)
		}
	}

	var all struct {
		BaseURIs []struct{ Service, Account, BaseURI string }
	}
	if err := json.Unmarshal([]byte(get(t, based, pathDomain+"baseURI.json?version=1.0").body), &all); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, d := range all.BaseURIs {
		seen[d.Service] = d.BaseURI
	}
	if len(all.BaseURIs) != len(services) || seen["own"] != "x.example.com" || seen["agentVep"] != "" || seen["sentinel"] != "z1.sentinel.liveperson.net" {
		t.Errorf("got %+v", all)
	}
}

func TestDomainRefuses(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	for path, status := range map[string]int{
		pathDomain + "sentinel/baseURI.json":                       400,
		pathDomain + "sentinel/baseURI.json?version=2.0":           400,
		pathDomain + "sentinel/baseURI.json?version=1.0&x":         400,
		"/api/account/1/service/sentinel/baseURI.json?version=1.0": 404,
		pathDomain + "sentinel/baseuri.json?version=1.0":           404,
	} {
		if got := get(t, s, path); got.status != status {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	if got := post(t, s, pathDomain+"sentinel/baseURI.json?version=1.0", ""); got.status != 405 || got.header.Get("Allow") != "GET" {
		t.Errorf("got %+v", got)
	}
}
