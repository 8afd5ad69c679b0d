// Package phone is what a telephone number is to the rest of this module: one that shows
// only its last digits, and what is known of it once it was read.
//
//	var n phone.Number = "+1 (404) 343-8646"
//	fmt.Println(n)          // ***46
//	fmt.Println(string(n))  // +1 (404) 343-8646
//	fmt.Println(n.Hidden()) // false
//
// It has no number plans, so that who imports it needs no number library: package
// numberplan below reads a [Number] into a [Parsed] with one. Nothing here fails;
// everything is safe for concurrent use.
package phone
