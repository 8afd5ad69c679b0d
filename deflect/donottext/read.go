package donottext

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

const (
	separators     = " ().-/" // in numbers
	maxListEntries = 10_000_000
	hashPrefix     = "sha256:"
	endMark        = "# end"
)

// content is what a list holds.
type content struct {
	list    hashes
	entries int  // lines with one, twice the same counted twice
	ended   bool // the last line says how many there are, and is right
	open    bool // nothing tells that the last line is whole
	size    int  // in bytes
}

// lacks reports whether an entry is missing that was known.
func (c content) lacks(known hashes) bool {
	for h := range known {
		if _, ok := c.list[h]; !ok {
			return true
		}
	}
	return false
}

var endForm = regexp.MustCompile(`^#\s*end\s+([0-9]{1,9})$`)

// readList reads every line. The error tells of the first bad line and of how many
// there are; the rest is in the result.
func readList(r io.Reader, region string) (content, error) {
	c := content{list: hashes{}}
	lines := bufio.NewReaderSize(r, 64<<10)
	bad, firstBad, why := 0, 0, ""
	said, after := -1, false // by an end, and whether something follows it
	for n := 1; ; n++ {
		line, readErr := lines.ReadSlice('\n')
		long := readErr == bufio.ErrBufferFull
		c.read(line)
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		line = bytes.TrimSpace(line)
		entry, _, _ := bytes.Cut(line, []byte("#"))
		entry = bytes.TrimSpace(entry)
		after = after || said >= 0 && len(line) > 0
		if m := endForm.FindSubmatch(line); m != nil && !long {
			said, _ = strconv.Atoi(string(m[1]))
		}
		if len(entry) > 0 {
			c.entries++
			if h, fault := readEntry(string(entry[:min(len(entry), maxEntry+1)]), region); fault == "" {
				c.list[h] = struct{}{}
			} else if bad++; firstBad == 0 {
				firstBad, why = n, fault
			}
		}
		for long { // the rest of a line that is no entry, or a long comment
			line, readErr = lines.ReadSlice('\n')
			long = readErr == bufio.ErrBufferFull
			c.read(line)
		}
		switch {
		case len(c.list) > maxListEntries:
			return c, fmt.Errorf("holds more than %d entries", maxListEntries)
		case readErr == io.EOF:
			return c, c.finish(bad, firstBad, why, said, after)
		case readErr != nil:
			return c, readErr
		}
	}
}

// read notes a line, or a part of one.
func (c *content) read(line []byte) {
	if len(line) > 0 {
		c.size += len(line)
		c.open = line[len(line)-1] != '\n'
	}
}

// finish judges a list that was read to its end.
func (c *content) finish(bad, firstBad int, why string, said int, after bool) error {
	switch {
	case bad > 0:
		return fmt.Errorf("line %d %s (%d such lines)", firstBad, why, bad)
	case after:
		return fmt.Errorf("holds lines after %q, which must be the last one", endMark+" N")
	case said >= 0 && said != c.entries:
		return fmt.Errorf("says at its end that it has %d entries, and has %d: it is not whole, or the last line was not changed with it", said, c.entries)
	case said >= 0:
		c.ended, c.open = true, false
	}
	return nil
}

// maxEntry is longer than any entry: a longer one is read as far as it cannot be one.
const maxEntry = 128

// readEntry reads one line; fault is what is wrong with it and what to write instead.
func readEntry(s, region string) (h [16]byte, fault string) {
	const neither = "is neither a telephone number nor " + hashPrefix + " and 64 hex digits"
	if len(s) == len(hashPrefix)+2*sha256.Size && s[:len(hashPrefix)] == hashPrefix {
		var sum [sha256.Size]byte
		if _, err := hex.Decode(sum[:], []byte(s[len(hashPrefix):])); err != nil {
			return h, neither
		}
		return [16]byte(sum[:16]), ""
	}
	if inNorthAmerica(s) {
		return hashOf(s), "" // E.164 as it stands, and much faster than parsing
	}
	plain, ok := phone.Number(s).Plain()
	if !ok {
		return h, neither
	}
	n, ok := numberplan.Read(phone.Number(plain), region)
	switch {
	case decimal(plain) || plain[0] != '+' && aTime(plain):
		return h, "looks like a date, a time or a number with decimals: write telephone numbers with + and country code, and export them as text"
	case n.Placeholder:
		return h, "is what phone systems put where there is no number: remove it"
	case !ok:
		return h, neither
	case n.Twofold:
		return h, fmt.Sprintf("can be two numbers, with its country code and without: write it with +%s", n.Country)
	case !n.Valid():
		return h, "is no number of its country's plan: it may be cut or have digits too many; write the whole number with + and country code"
	}
	if !n.Textable() && !n.International {
		return h, fmt.Sprintf("is in %s no number that can get texts, and may be another country's: write it with + and country code", region)
	}
	if !n.Whole {
		return h, fmt.Sprintf("lacks what is dialled before it in %s: write it with +%s", region, n.Country)
	}
	if splits(plain, region, n.E164) {
		return h, "may be two columns: write the number alone, without blanks"
	}
	today, _ := phone.Spellings(n.E164)
	return hashOf(today), ""
}

// decimal reports whether a number ends in decimals, as spreadsheets write them.
func decimal(plain string) bool {
	i := strings.LastIndexByte(plain, '.')
	if i < 0 {
		return false
	}
	before, after := plain[:i], plain[i+1:]
	switch len(after) {
	case 1:
		return true
	case 2:
		return !strings.Contains(before, ".") && phone.Digits(after) == after
	case 3:
		return phone.Digits(before)+phone.Digits(after) == before+after
	}
	return false
}

// aTime reports whether a number, or what stands before its first blank, could be a
// date, or seconds or milliseconds since 1970, from 2001 to 2039.
func aTime(plain string) bool {
	first, _, blank := strings.Cut(plain, " ")
	if blank && aTime(first) {
		return true
	}
	date := func(layouts ...string) bool {
		for _, layout := range layouts {
			if t, err := time.Parse(layout, plain); err == nil && t.Year() >= 1900 && t.Year() < 2100 {
				return true
			}
		}
		return false
	}
	digits := phone.Digits(plain)
	if digits != plain {
		plain = strings.Map(func(r rune) rune {
			if r == '.' || r == '/' || r == ' ' {
				return '-'
			}
			return r
		}, plain)
		return date("2006-1-2", "2-1-2006", "1-2-2006", "2-1-06", "1-2-06", "06-1-2")
	}
	switch len(digits) {
	case 8:
		return date("20060102", "02012006", "01022006")
	case 12, 14:
		return date("200601021504", "20060102150405")
	case 10, 13:
		return digits[:2] >= "10" && digits[:2] < "22"
	}
	return false
}

// splits reports whether what stands before or after a blank is a number by itself,
// another one that can get texts.
func splits(plain, region, whole string) bool {
	another := func(s string) bool {
		n, ok := numberplan.Read(phone.Number(strings.TrimLeft(s, separators)), region)
		return ok && n.Valid() && n.E164 != whole && n.Textable() && (n.Whole || n.Twofold)
	}
	for i := range len(plain) {
		if plain[i] == ' ' && (another(plain[:i]) || plain[0] != '+' && another(plain[i+1:])) {
			return true
		}
	}
	return false
}

// inNorthAmerica reports whether an entry is E.164 of the North American plan in an area
// that is in use. It needs no closer look, which takes a hundred times as long: ten digits
// after +1 are neither cut short nor another country's, so it is enough that the area has
// some numbers.
func inNorthAmerica(s string) bool {
	return len(s) == 12 && s[:2] == "+1" && s[2] >= '2' && s[5] >= '2' && phone.Digits(s) == s[1:] && areaInUse(s[2:5])
}

// areas remembers of each area code of the North American plan whether it is in use: 1
// yes, 2 no.
var areas [1000]atomic.Int32

// areaInUse reports whether a North American area code has numbers.
func areaInUse(code string) bool {
	i, _ := strconv.Atoi(code)
	if areas[i].Load() == 0 {
		inUse := int32(2)
		for exchange := '2'; exchange <= '9' && inUse == 2; exchange++ {
			if n, _ := numberplan.Read(phone.Number("+1"+code+string(exchange)+"345678"), ""); n.Valid() {
				inUse = 1
			}
		}
		areas[i].Store(inUse)
	}
	return areas[i].Load() == 1
}
