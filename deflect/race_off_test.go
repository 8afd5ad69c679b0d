//go:build !race

package deflect

const LessWork = 1
