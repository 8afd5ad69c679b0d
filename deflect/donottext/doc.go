// Package donottext keeps lists of numbers that must not be texted in files: one number
// a line, or its hash, read again when the file changes.
//
//	list, err := donottext.Open("do-not-text.txt", "US")
//	...
//	go list.Watch(ctx, logger)
//	policy, err := deflect.NewPolicy("sales", deflect.Rules{DoNotText: list})
//
// [Any] makes one list of it and others.
//
// Whatever becomes of the file, who opted out is not forgotten: a [File] that cannot be
// read, or looks cut short, keeps what it has, and [File.Refresh] and the log tell why.
// Errors name the file and its line, and repeat nothing of what it holds. A File is safe
// for concurrent use.
package donottext
