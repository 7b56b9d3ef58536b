//go:build ignore

// Serves the console's pages alone, for the tests of shell/, and says where.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"heliograph/internal/console/ui"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("http://%s\n", l.Addr())
	fmt.Fprintln(os.Stderr, http.Serve(l, ui.Handler()))
}
