package main

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forbidSockets has the kernel kill this process at its first attempt to make a socket: that is how scripts prove that a command opens none.
func forbidSockets() error {
	const (
		loadNumber = 0 // offset of the number in struct seccomp_data
		kill       = 0x80000000
		allow      = 0x7fff0000
	)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: loadNumber},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.SYS_SOCKET},
		{Code: unix.BPF_RET | unix.BPF_K, K: allow},
		{Code: unix.BPF_RET | unix.BPF_K, K: kill},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	_, _, code := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if code != 0 {
		return fmt.Errorf("forbid sockets: %w", code)
	}
	return nil
}

// init runs before main, in a program that a script sealed.
func init() {
	if os.Getenv(sealedProgram) == "" {
		return
	}
	if err := forbidSockets(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}
