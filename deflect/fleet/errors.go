package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// class is what is wrong with Redis, "" for nothing.
type class string

const (
	away     class = "away"
	refused  class = "password"
	noRight  class = "rights"
	full     class = "memory"
	replica  class = "read_only"
	loading  class = "loading"
	noDisk   class = "disk"
	noCopy   class = "replicas"
	cluster  class = "cluster"
	clients  class = "clients"
	stranger class = "kind"
	busy     class = "busy"
	nameless class = "master"
	odd      class = "other"
	ourWrong class = "closed" // not of Redis: this Fleet was closed
)

// words are what a class means and what to do about it.
var words = map[class]struct{ is, do string }{
	away:     {"does not answer", "start it, or look at the network between"},
	refused:  {"refuses the user or the password", "configure those that it knows"},
	noRight:  {"refuses this user a command or a key", "give the user the rights that the check of the configuration names"},
	full:     {"has no memory left for a cooldown", "raise its maxmemory, or look for what else fills it"},
	replica:  {"is a replica, which takes no cooldowns", "configure the address of its master, or those of Sentinel"},
	loading:  {"loads its data still", "wait"},
	noDisk:   {"cannot save to its disk, and takes no cooldowns until it can", "make room on the disk, and look into its log"},
	noCopy:   {"has fewer replicas in step than WaitReplicas", "look at the replicas, or ask for fewer"},
	cluster:  {"is a Cluster of which a part is down, or no Cluster at all", "look at CLUSTER INFO"},
	clients:  {"has as many clients as it may", "raise its maxclients"},
	stranger: {"has something of another kind in place of a key of ours", "look for what else writes under the prefix"},
	busy:     {"runs a script that does not end", "end it with SCRIPT KILL"},
	nameless: {"is not known to a Sentinel by the name of its master", "configure the name that SENTINEL MASTERS shows"},
	odd:      {"answers with an error", "look into its log"},
	ourWrong: {"is not asked any more", "make another Fleet"},
}

// redisError is why Redis did not do what it was asked for, in words.
type redisError struct {
	class class
	err   error
}

func (e *redisError) Error() string {
	w := words[e.class]
	return fmt.Sprintf("Redis %s (%s): %s", w.is, clean.Error{Err: e.err}, w.do)
}

func (e *redisError) Unwrap() error { return e.err }

// errFewReplicas is that of WAIT.
var errFewReplicas = errors.New("too few replicas answered in time")

// classes are the first words of answers.
var classes = map[string]class{
	"NOAUTH": refused, "WRONGPASS": refused, "NOPERM": noRight, "OOM": full, "READONLY": replica,
	"LOADING": loading, "MISCONF": noDisk, "NOREPLICAS": noCopy, "MASTERDOWN": away, "WRONGTYPE": stranger, "BUSY": busy,
	"CLUSTERDOWN": cluster, "TRYAGAIN": cluster, "MOVED": cluster, "ASK": cluster, "CROSSSLOT": cluster,
}

// isNil reports whether Redis has answered with nil. An error that only wraps it is that of a
// Sentinel, which was asked where the server is: nothing came as far as Redis.
func isNil(err error) bool { return err == redis.Nil }

// inWords classifies an error of the client.
func inWords(err error) *redisError {
	var said redis.Error
	var known *redisError
	var ofNet net.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, redis.ErrClosed):
		return &redisError{ourWrong, ErrClosed}
	case errors.Is(err, errFewReplicas):
		return &redisError{noCopy, err}
	case errors.Is(err, redis.Nil):
		return &redisError{nameless, err}
	case errors.As(err, &said):
		return &redisError{ofAnswer(said.Error()), err}
	case errors.Is(err, context.DeadlineExceeded):
		err = errNoAnswer
	case errors.Is(err, io.EOF):
		err = errCut
	case !errors.As(err, &ofNet) && strings.Contains(err.Error(), "cluster"): // not a type: the answer of a single server
		return &redisError{cluster, err}
	}
	return &redisError{away, err}
}

// Errors of the network that say little in their own words. A time-out is what callers ask
// for, so it matches [context.DeadlineExceeded].
var (
	errNoAnswer = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	errCut      = fmt.Errorf("the connection was cut: %w", io.EOF)
)

func ofAnswer(text string) class {
	text = strings.TrimPrefix(text, "ERR ")
	first, _, _ := strings.Cut(text, " ")
	switch c, ok := classes[first]; {
	case ok:
		return c
	case strings.HasPrefix(text, "max number of clients"):
		return clients
	case strings.HasPrefix(text, "The user executing the script"):
		return noRight
	case strings.Contains(text, "OOM command not allowed"): // within a script
		return full
	case strings.Contains(text, "cluster support disabled"):
		return cluster
	case strings.HasPrefix(text, "invalid password"), strings.HasPrefix(text, "AUTH "), strings.HasPrefix(text, "Client sent AUTH"):
		return refused
	}
	return odd
}
