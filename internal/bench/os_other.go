//go:build !linux

package bench

import "syscall"

// Children notice the end of their standard input.
func dieWithParent(bool) *syscall.SysProcAttr { return nil }

// What is left behind is left to the system.
func adoptOrphans() error { return nil }

func reapOrphans() error { return nil }

func inMemory(string) bool { return false }

func maxDescriptors() int { return 0 }
