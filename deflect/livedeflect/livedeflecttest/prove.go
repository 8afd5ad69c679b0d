package livedeflecttest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// provePath is below the root of the API, which has nothing there.
const provePath = "/livedeflecttest"

// proof is what a GET of provePath with a challenge is answered with: that this is no API
// which sends texts. Whoever echoes what it is asked answers otherwise. No fault and no
// record is concerned.
func proof(r *http.Request) (text string, asked bool) {
	challenge := r.URL.Query().Get("challenge")
	if r.Method != http.MethodGet || challenge == "" || !strings.HasSuffix(r.URL.Path, provePath) {
		return "", false
	}
	sum := sha256.Sum256([]byte("livedeflecttest " + challenge))
	return hex.EncodeToString(sum[:]), true
}
