//go:build race

package config

// lessWork leaves out what takes long with the race detector.
const lessWork = true
