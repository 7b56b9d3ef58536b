// Package accesstest has what people sign in with, for tests: a passkey's device, and an issuer of OpenID Connect. Both do what the standards
// say for the console at https://console.example.com, and a test makes one lie by changing a field.
//
// It starts no browser and no console: the tests of package access call the functions, those of api/administration the operations.
package accesstest
