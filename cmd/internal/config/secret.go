package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// Where secrets come from when no file is named.
const (
	consumerSecretEnv = "DEFLECT_CONSUMER_SECRET"
	tokenSecretEnv    = "DEFLECT_TOKEN_SECRET"
	clientSecretEnv   = "DEFLECT_CLIENT_SECRET"
)

const maxSecretBytes = 4096

// secrets are the keys of the APIs, and where their secret halves came from, and
// the passwords of the switches.
type secrets struct {
	live, c2m access
	switches  []origin // passwords, in the order of freeswitch.inbound
}

// origin is where one secret came from: a file or the environment.
type origin struct {
	file string // absolute, unless the configuration was not a file itself
	env  bool
}

// source is the world outside the file.
type source struct {
	dir      string
	getenv   func(string) string
	readFile func(name string) (data []byte, open bool, err error)
	keyless  bool // secrets are taken as given, whether they are or not
}

// keys reads what signs the requests of an API.
func (a *access) keys(d *decoder, src source, at string) liveperson.OAuth1 {
	auth := liveperson.OAuth1{ConsumerKey: d.id(&a.consumerKey, at+"consumer_key"), Token: d.id(&a.token, at+"token")}
	var consumerSeen, tokenSeen bool
	auth.ConsumerSecret, consumerSeen = src.secret(d, &a.consumer, at+"consumer_secret", consumerSecretEnv)
	if !src.keyless || auth.Token != "" {
		auth.TokenSecret, tokenSeen = src.secret(d, &a.tokenSecret, at+"token_secret", tokenSecretEnv)
	}
	if auth.ConsumerKey == "" && !d.blames(at+"consumer_key") {
		d.badAt(at+"consumer_key", "is missing: the app key of the account's API keys")
	}
	if !consumerSeen {
		d.badAt(at+"consumer_secret_file", "is missing: name a file that holds the secret, or set %s", consumerSecretEnv)
	}
	switch {
	case d.blames(at + "token"):
	case auth.Token != "" && !tokenSeen:
		d.badAt(at+"token_secret_file", "is missing: a token needs its secret, in a file or in %s (keys without a token need neither)", tokenSecretEnv)
	case auth.Token == "" && tokenSeen:
		d.badAt(at+"token", "is missing, but there is a token secret: give both or none")
	}
	return auth
}

// client reads what an API's tokens are fetched for.
func (a *access) client(d *decoder, src source, at string) *liveperson.OAuth2 {
	auth := &liveperson.OAuth2{ClientID: d.id(&a.clientID, at+"client_id"), URL: a.sentinelURL}
	var seen bool
	auth.ClientSecret, seen = src.secret(d, &a.clientSecret, at+"client_secret", clientSecretEnv)
	if auth.ClientID == "" && !d.blames(at+"client_id") {
		d.badAt(at+"client_id", "is missing: the id of the app whose tokens are used")
	}
	if !seen {
		d.badAt(at+"client_secret_file", "is missing: name a file that holds the secret, or set %s", clientSecretEnv)
	}
	return auth
}

// id is the half of a key that is no secret.
func (d *decoder) id(value *string, at string) string {
	*value = strings.TrimSpace(*value)
	if odd := doubtSecret(*value); odd != "" && !refers(*value) { // a reference was noted
		d.warn(at, "%s", odd)
	}
	return *value
}

// readPasswords reads those of the switches.
func (f *File) readPasswords(d *decoder, src source) {
	s := &f.secrets
	from := map[string]string{} // names of switches by where their password comes from
	for i := range f.FreeSWITCH.Inbound {
		sw, key := &f.FreeSWITCH.Inbound[i], fmt.Sprintf("freeswitch.inbound[%d].password", i)
		var seen bool
		if sw.Password, seen = src.secret(d, &s.switches[i], key, switchEnv(sw.Name)); !seen {
			d.badAt(key+"_file", "is missing: name a file that holds the password of the event socket, or set %s", cmp.Or(switchEnv(sw.Name), switchEnvForm))
		}
		if other := from[switchEnv(sw.Name)]; s.switches[i].env && other != "" && other != sw.Name {
			d.badAt(fmt.Sprintf("freeswitch.inbound[%d].name", i), "takes its password from the same variable as switch %q (%s): give it a file", other, switchEnv(sw.Name))
		}
		from[switchEnv(sw.Name)] = sw.Name
	}
}

const switchEnvForm = "DEFLECT_FREESWITCH_PASSWORD_ and its name in capitals"

// switchEnv is where the password of a switch comes from when no file is named; "" for
// a switch without a name.
func switchEnv(name string) string {
	if name == "" {
		return ""
	}
	return "DEFLECT_FREESWITCH_PASSWORD_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// secret reads one secret. It reports whether there is one, or a problem with
// it that was noted already.
func (src source) secret(d *decoder, o *origin, key, env string) (deflect.Secret, bool) {
	if src.keyless {
		return deflect.NewSecret("not read"), true
	}
	at := key + "_file"
	value := secretText(src.getenv(env))
	o.env = value != ""
	switch {
	case o.file != "" && o.env:
		d.badAt(at, "and %s in the environment are both given: keep one", env)
		return deflect.NewSecret(""), true
	case o.file != "":
		where := ""
		if !filepath.IsAbs(o.file) {
			where = besides
		}
		o.file = src.secretPath(o.file)
		data, open, err := src.readFile(o.file)
		if err != nil {
			d.badAt(at, "cannot be read: %s%s", cause(err), where)
			return deflect.NewSecret(""), true
		}
		if open {
			d.warn(at, "can be read by every user of this machine: chmod o-rwx it")
		}
		if value = secretText(string(data)); value == "" {
			d.badAt(at, "is an empty file: write the secret into it")
			return deflect.NewSecret(""), true
		}
		if wrong := notASecret(value); wrong != "" {
			d.badAt(at, "%s", wrong)
			return deflect.NewSecret(""), true
		}
		if odd := doubtSecret(value); odd != "" {
			d.warn(at, "names a file whose text %s", odd)
		}
	case o.env:
		if wrong := notASecret(value); wrong != "" {
			d.badAt(at, "is not given, and %s %s", env, wrong)
			return deflect.NewSecret(""), true
		}
		if odd := doubtSecret(value); odd != "" {
			d.warn(at, "is not given, and %s %s", env, odd)
		}
	}
	return deflect.NewSecret(value), o.env || o.file != "" || d.blames(at) || d.blames(key)
}

// besides goes with a file that is not there.
const besides = " (relative names are looked for beside the configuration)"

// path makes the name of a secret file independent of where the file is read
// from next.
func (src source) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(src.dir, name)
}

// credentialsEnv is where systemd puts what LoadCredential= names, for one service alone.
const credentialsEnv = "CREDENTIALS_DIRECTORY"

// secretPath is path for what may be a credential of the service, which then stands in for
// a file that only root can read. It is named as systemd names the files of a directory:
// secrets_token is secrets/token.
func (src source) secretPath(name string) string {
	if dir := src.getenv(credentialsEnv); dir != "" && filepath.IsLocal(name) {
		credential := filepath.Join(dir, strings.ReplaceAll(filepath.ToSlash(filepath.Clean(name)), "/", "_"))
		if _, err := os.Stat(credential); err == nil {
			return credential
		}
	}
	return src.path(name)
}

// secretText leaves out the blanks and line ends around a secret. Quotes around
// nothing, and what cannot be seen, are none.
func secretText(s string) string {
	s = strings.TrimSpace(s)
	if strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unseen(r) || strings.ContainsRune("\"'`", r) }) == "" {
		return ""
	}
	return s
}

// notASecret says why a text cannot be one; "" if it can.
func notASecret(s string) string {
	switch {
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return "is not text in UTF-8: save it as that, without a byte order mark"
	case strings.ContainsAny(s, "\r\n"):
		return "holds more than one line of text: it must hold the secret alone"
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return "holds a tab or another control character: it must hold the secret alone"
	}
	return ""
}

// readSecretFile reads a small file and reports whether everybody may do so.
func readSecretFile(name string) (data []byte, open bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if info.IsDir() {
		return nil, false, errors.New("it is a directory")
	}
	data, err = io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err == nil && len(data) > maxSecretBytes {
		err = errors.New("it is larger than 4 KiB")
	}
	return data, runtime.GOOS != "windows" && worldReadable(info.Mode()), err
}

func worldReadable(mode fs.FileMode) bool { return mode.IsRegular() && mode.Perm()&0o004 != 0 }
