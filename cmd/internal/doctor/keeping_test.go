package doctor_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/doctor"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// fleetOf gives the configuration a Redis.
func (r *rig) fleetOf(redis *fleettest.Server) {
	r.t.Helper()
	r.write(filepath.Join(r.dir, "fleet.key"), hex.EncodeToString(fleet.NewKey()))
	r.edit("\nhttp:", fmt.Sprintf("\nredis: {url: \"redis://%s/0\", key_file: fleet.key}\nhttp:", redis.Addr))
}

// What endangers the promise of a fleet is told with its remedy, which is a setting of Redis.
func TestRedis(t *testing.T) {
	t.Parallel()
	redis := fleettest.Start(t, "--appendonly", "no", "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb")
	r := newRig(t)
	r.fleetOf(redis)
	r.has(r.want("redis", doctor.Bad, "its maxmemory-policy is allkeys-lru"), "Set it to noeviction")
	redis.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	r.has(r.want("redis", doctor.Warning, "it has no appendonly"), "Set appendonly to yes")
	redis.Do("CONFIG", "SET", "appendonly", "yes")
	r.well("redis")
	redis.Kill()
	r.has(r.want("redis", doctor.Bad, "callers are not texted"), "start it")
	redis.Restart()
	redis.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	redis.Do("CONFIG", "SET", "appendonly", "yes")
	r.well("redis")
}

// A journal that a deflectd has is well, and left alone.
func TestJournalInUse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	j, err := journal.Open(filepath.Join(r.dir, "state"), journal.Options{})
	must(t, err)
	defer j.Close()
	r.want("state", doctor.Good, fmt.Sprintf("is in use by %s (process %d)", filepath.Base(os.Args[0]), os.Getpid()))
	must(t, j.Close())
	r.want("state", doctor.Good, "is there, and private")
}

// A user who may not look is told who may.
func TestJournalOfOthers(t *testing.T) {
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("nothing is closed to this user")
	}
	r := newRig(t)
	dir := filepath.Join(r.dir, "state")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "journal.db"), nil, 0o600))
	must(t, os.Chmod(dir, 0))
	defer os.Chmod(dir, 0o700)
	r.has(r.want("state", doctor.Skipped, "may not look into"), "sudo deflectctl doctor")
}

// A journal that is not there yet says what has to be done for it to be made.
func TestJournalToBeMade(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.want("state", doctor.Good, "is not there yet, and can be made")
	r.write(filepath.Join(r.dir, "file"), "")
	r.edit("dir: state", "dir: file/state")
	r.has(r.want("state", doctor.Bad, filepath.Join("file", "state")+" cannot be looked at"), "or set state.dir to another place")
	must(t, os.Remove(filepath.Join(r.dir, "file")))
	r.well("state")
}
