package double

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// proof is what a GET of /NAME with a challenge is answered with, NAME being the double's: that this is no API
// which sends texts. Whoever echoes what it is asked answers otherwise. No fault and no
// record is concerned.
func proof(name string, r *http.Request) (text string, asked bool) {
	challenge := r.URL.Query().Get("challenge")
	if r.Method != http.MethodGet || challenge == "" || !strings.HasSuffix(r.URL.Path, "/"+name) {
		return "", false
	}
	sum := sha256.Sum256([]byte(name + " " + challenge))
	return hex.EncodeToString(sum[:]), true
}
