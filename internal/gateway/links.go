package gateway

import (
	"context"
	"errors"
	"fmt"

	"heliograph/config"
	"heliograph/hooks/mirror"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/console"
)

// newLinks builds what makes links to files, or nil where nobody could follow them.
func (g *Gateway) newLinks(cfg *config.Config, masking *scope.Masking) *mirror.Links {
	if cfg.Console.PublicURL == "" {
		return nil
	}
	return mirror.NewLinks(mirror.LinkOptions{Store: g.store, Journal: g.journal, Masking: masking, URL: cfg.Console.PublicURL + "/files/"})
}

// file finds the file of a link for the console.
func (g *Gateway) file(ctx context.Context, token string) (*console.File, error) {
	links := g.links.Load()
	if links == nil {
		return nil, console.ErrNoFile
	}
	f, err := links.Open(ctx, token)
	switch {
	case errors.Is(err, mirror.ErrNoFile):
		return nil, console.ErrNoFile
	case errors.Is(err, mirror.ErrFileGone):
		return nil, console.ErrFileGone
	case err != nil:
		return nil, fmt.Errorf("opening the file of a link: %w", err)
	}
	return &console.File{Name: f.Name, Size: f.Size, Body: f.Body}, nil
}
