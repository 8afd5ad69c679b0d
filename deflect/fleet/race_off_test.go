//go:build !race

package fleet

const lessWork = 1
