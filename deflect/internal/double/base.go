package double

import (
	"fmt"
	"net/url"
	"strings"
)

// ParseBase reads the BaseURL of a double's Config.
func ParseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("Config.BaseURL: %w", err)
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "",
		base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, fmt.Errorf("Config.BaseURL must be http(s)://host[/path]")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = ""
	return base, nil
}
