package c2mtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// tokens gives tokens and knows its own. It keeps none: a token says what it is, and is
// signed.
type tokens struct {
	clientID, clientSecret string
	life                   time.Duration
	key                    []byte
	issued                 atomic.Int64
	revoked                atomic.Int64 // the last number that is good no more
}

func newTokens(cfg Config) *tokens {
	return &tokens{clientID: cfg.ClientID, clientSecret: cfg.ClientSecret, life: cfg.TokenLife, key: []byte(rand.Text())}
}

// claims are what a token says.
type claims struct {
	Audience string `json:"aud"`
	Party    string `json:"azp"`
	Issuer   string `json:"iss"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	Until    int64  `json:"until"` // the same as Expires, in milliseconds
	Number   int64  `json:"number"`
}

var tokenHead = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

func (t *tokens) issue(account string, now time.Time) string {
	until := now.Add(t.life)
	body, _ := json.Marshal(claims{ // strings and numbers
		Audience: "le" + account, Party: t.clientID, Issuer: "Sentinel", IssuedAt: now.Unix(),
		Expires: until.Unix(), Until: until.UnixMilli(), Number: t.issued.Add(1),
	})
	signed := tokenHead + "." + base64.RawURLEncoding.EncodeToString(body)
	return signed + "." + t.sign(signed)
}

func (t *tokens) sign(text string) string {
	mac := hmac.New(sha256.New, t.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// check gives the reason to refuse a token, or "".
func (t *tokens) check(token, account string, now time.Time) string {
	dot := strings.LastIndexByte(token, '.')
	if t.clientID == "" || dot < 0 || !hmac.Equal([]byte(t.sign(token[:dot])), []byte(token[dot+1:])) {
		return "invalid token"
	}
	_, middle, _ := strings.Cut(token[:dot], ".")
	body, err := base64.RawURLEncoding.DecodeString(middle)
	var c claims
	if err != nil || json.Unmarshal(body, &c) != nil {
		return "invalid token"
	}
	switch {
	case c.Audience != "le"+account:
		return "jwt audience invalid"
	case c.Until <= now.UnixMilli(), c.Number <= t.revoked.Load():
		return "jwt expired"
	}
	return ""
}

// ExpireTokens lets every token that was given so far be expired.
func (s *Server) ExpireTokens() { s.tokens.revoked.Store(s.tokens.issued.Load()) }

// IssueToken gives a good token of an account, without a request.
func (s *Server) IssueToken(account string) string { return s.tokens.issue(account, s.now()) }

// credentials are the form of a request for a token, each once.
var credentials = []string{"client_id", "client_secret", "grant_type"}

// Knows reports whether a token is good for an account now, for doubles of other APIs that
// take tokens.
func (s *Server) Knows(token, account string) bool {
	return s.tokens.check(token, account, s.now()) == ""
}

func (s *Server) examineToken(a *double.Arrival, r route) verdict {
	deny := func(status int, text string) verdict {
		return verdict{refusal: &refusal{status: status, code: invalidRequest, text: text}}
	}
	if kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return deny(http.StatusBadRequest, "Content-Type must be application/x-www-form-urlencoded")
	}
	// LivePerson's own client sends a version, its page has none.
	if a.RawQuery != "" && a.RawQuery != "v=2.0" {
		return deny(http.StatusBadRequest, "the query must be empty or v=2.0")
	}
	if a.BodyErr != nil || len(a.Body) > double.MaxBody {
		return deny(http.StatusBadRequest, "the body could not be read")
	}
	form, err := url.ParseQuery(string(a.Body))
	if err != nil {
		return deny(http.StatusBadRequest, "the body is not a form")
	}
	for _, name := range credentials {
		if len(form[name]) != 1 || form.Get(name) == "" {
			return deny(http.StatusBadRequest, name+" must come once")
		}
	}
	if len(form) > len(credentials) {
		return deny(http.StatusBadRequest, "unknown field in the form")
	}
	if form.Get("grant_type") != "client_credentials" {
		return deny(http.StatusBadRequest, "grant_type must be client_credentials")
	}
	if s.cfg.ClientID == "" || form.Get("client_id") != s.cfg.ClientID ||
		!hmac.Equal([]byte(form.Get("client_secret")), []byte(s.cfg.ClientSecret)) {
		return deny(http.StatusUnauthorized, "client_id or client_secret is wrong")
	}
	return verdict{process: func(rec *Received, _ Fault) (double.Answer, *message) {
		rec.Processed = true
		now := time.Now().Add(s.ahead)
		return double.JSONAnswer(http.StatusOK, fmt.Sprintf(`{"access_token":"%s","token_type":"Bearer"%s}`,
			s.tokens.issue(r.account, now), s.expiresIn())), nil
	}}
}

func (s *Server) expiresIn() string {
	seconds := strconv.FormatInt(int64(s.cfg.TokenLife/time.Second), 10)
	switch s.cfg.ExpiresIn {
	case ExpiresNumber:
		return `,"expires_in":` + seconds
	case ExpiresMissing:
		return ""
	}
	return `,"expires_in":"` + seconds + `"`
}
