//go:build race

package extract_test

// slower is how many times the race detector slows regular expressions down, and more.
const slower = 15
