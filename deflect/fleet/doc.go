// Package fleet is what several processes share over a Redis, so that they text a caller
// once: who was texted lately, what a budget has left, who opted out, which API fails.
//
//	cfg, err := fleet.ParseURL("rediss://fleet.example:6380/0")
//	cfg.Key, err = fleet.ReadKey("/etc/deflectd/fleet.key")
//	...
//	f, err := fleet.New(cfg)
//	...
//	defer f.Close()
//	client, err := deflect.New(deflect.Config{Backend: api, Cooldowns: f.Cooldowns()})
//
// It needs Redis 6.2 or newer, or Valkey: one server, one with replicas behind Sentinel, or
// a Cluster. [Fleet.Inspect] tells what of the server endangers the promise.
//
// What is kept there are keyed hashes of numbers, never numbers. Errors and logs hold no
// keys. Whoever does not get an answer texts nobody, unless Config.Local says otherwise; a
// server that is away is not waited for by every call: one asks, the others fail at once.
//
// A Fleet is safe for concurrent use.
package fleet
