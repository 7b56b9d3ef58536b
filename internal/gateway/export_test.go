package gateway

import (
	"heliograph/internal/console/api/operations"
)

// Operations makes the part of the API for those who run the gateway, without the rest of the console.
func (g *Gateway) Operations() (*operations.Part, error) { return g.startOperations(nil, nil) }
