package double

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxAuthorization is the longest Authorization header that is read. A real
// one has some 400 bytes.
const maxAuthorization = 4096

// parseAuthorization reads an Authorization header of the OAuth scheme
// (RFC 5849, 3.5.1) and gives its decoded parameters, without the realm. No
// parameter may come twice (3.1).
func parseAuthorization(header string) ([]param, error) {
	if len(header) > maxAuthorization {
		return nil, errors.New("it is too long")
	}
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "OAuth") {
		return nil, errors.New("its scheme is not OAuth")
	}
	var params []param
	realmSeen := false
	for {
		name, raw, after, err := cutParameter(trimBlank(rest))
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(name, "realm") {
			if realmSeen {
				return nil, errors.New("the realm comes twice")
			}
			realmSeen = true
		} else {
			p, err := decodeParameter(name, raw)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(params, func(other param) bool { return other.name == p.name }) {
				return nil, fmt.Errorf("parameter %s comes twice", Quote(p.name))
			}
			params = append(params, p)
		}
		rest = trimBlank(after)
		if rest == "" {
			return params, nil
		}
		if rest[0] != ',' {
			return nil, errors.New("a comma is missing between parameters")
		}
		rest = rest[1:]
	}
}

// cutParameter splits name="value" off the front of s. Only the realm is a
// quoted string of HTTP, in which a backslash may hide a quote; the other
// values are percent-encoded and hold no quote.
func cutParameter(s string) (name, raw, after string, err error) {
	name, rest, ok := strings.Cut(s, `="`)
	if !ok || name == "" {
		return "", "", "", errors.New(`a parameter is not name="value"`)
	}
	escapes := strings.EqualFold(name, "realm")
	for i := 0; i < len(rest); i++ {
		switch {
		case escapes && rest[i] == '\\':
			i++
		case rest[i] == '"':
			return name, rest[:i], rest[i+1:], nil
		}
	}
	return "", "", "", errors.New("a parameter has no closing quote")
}

func decodeParameter(name, raw string) (param, error) {
	decodedName, ok := percentDecode(name)
	if !ok {
		return param{}, fmt.Errorf("the name %s is not percent-encoded", Quote(name))
	}
	value, ok := percentDecode(raw)
	if !ok {
		return param{}, fmt.Errorf("the value of %s is not percent-encoded", Quote(decodedName))
	}
	return param{decodedName, value}, nil
}

func trimBlank(s string) string { return strings.Trim(s, " \t") }

// Quote shows a name that a client made up, cut so that it cannot fill a log.
func Quote(name string) string {
	const most = 40
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "..."
	}
	return fmt.Sprintf("%q", name)
}
