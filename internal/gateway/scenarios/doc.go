// Package scenarios proves that the rules that are shipped in deploy/rules do what they say: each runs in a real gateway, between a real Postfix
// with Dovecot, the built-in CRM, a business system with records and a chat, while the clock is moved. It has tests only.
package scenarios
