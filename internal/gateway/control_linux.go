package gateway

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// peerMayControl lets root in and the user that the gateway runs as (SO_PEERCRED, unix(7)).
func peerMayControl(conn net.Conn) error {
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("not a Unix socket")
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if credErr != nil {
		return credErr
	}
	return mayControl(int(cred.Uid), os.Geteuid())
}

// mayControl decides by user.
func mayControl(peer, own int) error {
	if peer != 0 && peer != own {
		return fmt.Errorf("peer is user %d, which is neither root nor the user of the gateway", peer)
	}
	return nil
}
