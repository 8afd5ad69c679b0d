// Package config reads the YAML file that deflectd and deflectctl share.
//
// The file is read strictly: an unknown key, a key given twice, a value of the
// wrong type or a second document is a problem. Every problem is found in one go,
// and each says where it is and what to do:
//
//	deflectd.yaml:14: profiles[0].accept_digit: must be text: put it in quotes
//
// Secrets never stand in the file. They come from the files that
// consumer_secret_file, token_secret_file and client_secret_file name, or from the environment
// variables DEFLECT_CONSUMER_SECRET, DEFLECT_TOKEN_SECRET and DEFLECT_CLIENT_SECRET; passwords of switches from
// password_file or DEFLECT_FREESWITCH_PASSWORD_NAME; that of Redis from password_file or
// DEFLECT_REDIS_PASSWORD, and the key of a fleet from key_file. Blanks and line ends around them are
// left out. Nothing else is filled in from the environment.
//
// Each key is one row (see File.rows), by which it is read, printed and documented.
//
// A [File] is plain data. It is not changed after loading, so that it may be read
// by several goroutines.
package config
