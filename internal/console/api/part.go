package api

import "net/http"

// Mux takes the operations of a part.
type Mux interface {
	HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request))
	http.Handler
}

// Part is a set of operations with a document of its own.
type Part struct {
	Name string
	// Document is the part's OpenAPI 3.1 document, in JSON or YAML. Each of its operations has an operationId and x-permission, a permission of
	// package access; x-audit, one of none, view and change (by default none for GET and HEAD, else change); x-body, the most bytes of the
	// body (1 MiB by default). What lies in the core's document is named ../openapi.yaml#/….
	Document []byte
	// Mount gives each operation of the document to mux, as code that oapi-codegen made does:
	//
	//	strict := NewStrictHandlerWithOptions(p, nil, StrictHTTPServerOptions{RequestErrorHandlerFunc: e.Request, ResponseErrorHandlerFunc: e.Response})
	//	HandlerWithOptions(strict, StdHTTPServerOptions{BaseRouter: mux, ErrorHandlerFunc: e.Request})
	Mount func(mux Mux, e Errors)
}

// Errors write errors to the caller.
type Errors struct {
	Request  func(http.ResponseWriter, *http.Request, error) // the request cannot be read
	Response func(http.ResponseWriter, *http.Request, error) // a handler failed
}
