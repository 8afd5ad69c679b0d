package c2mtest

import (
	"net/http"
	"testing"
	"time"
)

const pathShift = "/api/account/" + testAccount + "/skills/326244912/shift-status-skill"

func TestShiftStatus(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	want := func(what string) {
		t.Helper()
		if got := get(t, s, pathShift); got.status != 200 || got.body != `{"skillId":326244912,`+what+`}` {
			t.Errorf("got %+v", got)
		}
	}
	want(`"onShift":true,"nextOn":null,"nextOff":null`)
	s.SetShift("326244912", false)
	s.SetShift("1", true)
	want(`"onShift":false,"nextOn":null,"nextOff":null`)
	s.SetShiftUntil("326244912", true, time.UnixMilli(1535979600000), time.UnixMilli(1535997600000))
	want(`"onShift":true,"nextOn":1535979600000,"nextOff":1535997600000`)
}

func TestShiftStatusRefuses(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	if got := send(inMemory(s), signed(s, request(t, t.Context(), s, http.MethodGet, pathShift, ""))); got.status != 401 ||
		got.body != `{"code":0,"message":"Invalid Bearer token: only a bearer token is taken here"}` {
		t.Errorf("got %+v", got)
	}
	for path, status := range map[string]int{
		pathShift + "?v=1": 400,
		"/api/account/" + testAccount + "/skills/sales/shift-status-skill": 400,
		"/api/account/" + testAccount + "/skills//shift-status-skill":      404,
	} {
		if got := get(t, s, path); got.status != status {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	s.ExpireTokens()
	req := request(t, t.Context(), s, http.MethodGet, pathShift, "")
	s.ExpireTokens()
	if got := send(inMemory(s), req); got.status != 401 || got.body != `{"code":0,"message":"Invalid Bearer token: jwt expired"}` {
		t.Errorf("got %+v", got)
	}
}
