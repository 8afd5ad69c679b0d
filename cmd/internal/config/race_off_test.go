//go:build !race

package config

const lessWork = false
