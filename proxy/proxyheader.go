package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

const (
	// headerPrefix is read first. It is the length of the version 2 signature,
	// and shorter than the shortest version 1 header, "PROXY UNKNOWN\r\n".
	headerPrefix = 12
	// headerV1Max is the longest version 1 line, by the specification.
	headerV1Max = 107
	// headerV2Max bounds the addresses and TLVs of version 2; balancers send a few hundred bytes.
	headerV2Max = 4096
)

// errNoHeader says that a source which must send a PROXY header sent something else.
var errNoHeader = errors.New("no PROXY protocol header")

// readHeader reads the PROXY header that c begins with and returns the client
// that it names, or peer if it names none (LOCAL, UNKNOWN, a Unix socket). It
// reads not one byte more than the header, so that whoever comes next may put a
// buffer of his own on the connection.
func readHeader(c net.Conn, peer netip.AddrPort, timeout time.Duration) (client netip.AddrPort, forwarded bool, err error) {
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return peer, false, fmt.Errorf("read PROXY header: %w", err)
	}
	raw, err := headerBytes(c)
	if err != nil {
		return peer, false, fmt.Errorf("read PROXY header: %w", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return peer, false, fmt.Errorf("read PROXY header: %w", err)
	}
	return parseHeader(raw, peer)
}

// parseHeader understands one whole header.
func parseHeader(raw []byte, peer netip.AddrPort) (client netip.AddrPort, forwarded bool, err error) {
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(raw), headerPrefix+4+headerV2Max))
	if err != nil {
		return peer, false, fmt.Errorf("parse PROXY header: %w", err)
	}
	source, _, ok := h.TCPAddrs()
	if !ok || h.Command.IsLocal() {
		return peer, false, nil
	}
	client = unmap(source.AddrPort())
	if !client.Addr().IsValid() || client.Addr().IsUnspecified() {
		return peer, false, nil
	}
	return client, true, nil
}

// headerBytes takes exactly the header off r.
func headerBytes(r io.Reader) ([]byte, error) {
	raw := make([]byte, headerPrefix, headerV1Max)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(raw, proxyproto.SIGV2):
		return headerV2(r, raw)
	case bytes.HasPrefix(raw, proxyproto.SIGV1):
		return headerV1(r, raw)
	default:
		return nil, errNoHeader
	}
}

// headerV1 reads on byte by byte, because the line's length shows only at its end.
func headerV1(r io.Reader, raw []byte) ([]byte, error) {
	for len(raw) < headerV1Max {
		next := raw[len(raw) : len(raw)+1]
		if _, err := io.ReadFull(r, next); err != nil {
			return nil, err
		}
		raw = raw[:len(raw)+1]
		if next[0] == '\n' {
			return raw, nil
		}
	}
	return nil, fmt.Errorf("PROXY header of more than %d bytes", headerV1Max)
}

func headerV2(r io.Reader, raw []byte) ([]byte, error) {
	raw = append(raw, 0, 0, 0, 0) // version and command, family, length
	if _, err := io.ReadFull(r, raw[headerPrefix:]); err != nil {
		return nil, err
	}
	rest := int(binary.BigEndian.Uint16(raw[headerPrefix+2:]))
	if rest > headerV2Max {
		return nil, fmt.Errorf("PROXY header of %d bytes", rest)
	}
	raw = append(raw, make([]byte, rest)...)
	_, err := io.ReadFull(r, raw[headerPrefix+4:])
	return raw, err
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
