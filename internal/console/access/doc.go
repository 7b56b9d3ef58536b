// Package access says who may do what, and finds out who somebody is.
//
// The main idea: a person has one of four roles, which grant permissions, and a scope, which says whose mail is seen; a Caller is a person at
// the moment of a request, with no more than that. Everything is looked up in the store at each request, so that a person who is disabled is
// out, and one with a new role has it, with the next request, on all nodes.
//
// What a browser or program sends as proof is never stored: of cookies, tokens and links there is a hash, of passwords an argon2id hash, and
// the secrets of second factors are encrypted with the master key. A wrong password, an unknown address and a disabled person
// get the same answer after the same work, and the guard that mail programs know (limit.Failures) counts them before anything is checked. A session
// gets a new id whenever the person proves something, so that none that was known before is worth more afterwards.
//
//   - caller.go: Role, Permission, Scope, Person, Caller
//   - people.go, people_change.go: the Book of people; teams.go: teams; tokens.go: API tokens; links.go: links that work once
//   - signin.go: SignIn, and who a request comes from; visit.go: what a request tells of its browser; session.go: sessions
//   - password.go: local passwords; mailbox.go: the employee's own mailbox; oidc.go, oidc_person.go: issuers of OpenID Connect
//   - factors.go: second factors; totp.go, passkey.go: their kinds; ceremony.go: what a browser has begun
//
// It sends no mail, keeps no record of deeds (package audit does) and knows nothing of JSON: api/administration puts it into operations.
package access
