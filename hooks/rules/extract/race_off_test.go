//go:build !race

package extract_test

const slower = 1
