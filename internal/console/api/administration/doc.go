// Package administration is the part of the API for signing in, and for who may do what: one's own account, people, teams, API tokens, audit and
// settings.
//
// The main idea: package access decides; here its decisions get words. Who is refused a sign-in learns that it was refused and not why. What
// changes how somebody signs in needs a browser whose sign-in is fresh; no API token can do it.
//
//   - part.go: Options, the Part. mount.go: how it is mounted; Protect and Authenticate for what is around it
//   - session.go: who am I, signing in and out. oidc.go: to an issuer and back. me.go, factors.go: the own account
//   - people.go, teams.go, tokens.go: who may what. problem.go: the words
//   - audit.go, settings.go: the record of deeds, the configuration
package administration

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi.yaml openapi.yaml
//go:generate go run heliograph/internal/console/api/asjson openapi.yaml openapi.gen.json
