//go:build !race

package donottext

const LessWork = 1
