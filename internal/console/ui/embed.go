// Package ui is the console's front end: the pages that people see in their browser.
//
// The main idea: it is static files and nothing else. All that it shows and does goes through the API, and this package's Go code only serves what
// vite built from src/ into dist/app/ (`make ui`). Names in assets/ carry a hash of the content and may be kept for ever; index.html is never kept, so that a
// browser has the new pages as soon as the gateway has them.
//
//   - embed.go, handler.go: the files, and how they are served
//   - src/pages: one folder per page (README.md there). src/kit: what all pages are made of. src/app: the frame around them. src/api: the client
//   - e2e: the pages in a browser, on the real program
//   - scripts: types of the API's documents; the weight of the first load
//
// It writes no HTML and knows nothing of sessions: index.html tells nothing that a stranger may not know.
package ui

import (
	"embed"
	"io/fs"
)

// dist holds README, and app once `make ui` has built it.
//
//go:embed all:dist
var dist embed.FS

// built returns the built files, nil where there are none.
func built() fs.FS {
	app, err := fs.Sub(dist, "dist/app")
	if err != nil {
		return nil
	}
	if _, err := fs.Stat(app, "index.html"); err != nil {
		return nil
	}
	return app
}
