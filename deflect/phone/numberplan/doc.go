// Package numberplan reads telephone numbers by the number plans of their countries, with
// the number library (github.com/nyaruka/phonenumbers), which nothing else of this module
// imports.
//
//	n, ok := numberplan.Parse("0400 111 222", "AU")
//	fmt.Println(ok, n.E164)                                // true +61400111222
//	fmt.Println(n.Region, n.Kind == phone.Mobile)          // AU true
//	fmt.Println(n.National, numberplan.WithTrunkPrefix(n)) // 400111222 0400111222
//
// What is given may be a stranger's text: anything but digits and visual separators is no
// number, and nothing here fails or takes long. Regions are codes of ISO 3166, see
// [phone.IsRegion]; in any other one only numbers with a plus sign are read. All functions
// are safe for concurrent use.
package numberplan
