// Package office holds one test: a simulated office of 20 employees and 50 customers works through a gateway that is
// killed again and again, and in the end the CRM must hold exactly what an independent model says.
//
// The main idea: letters are written by a seeded generator (letters_test.go), which knows of each what it means: for
// whom it is, whether it is private, and so how many activities its words must make. Nothing of the gateway's code is
// asked for that. The provider (provider_test.go) is a real Dovecot over maildirs and an SMTP server that
// drops connections, refuses for a while and keeps Sent copies of its own. The clients (clients_test.go) send with
// retries and read in three ways: whole messages, pieces as phones do, and flags only. The gateway is the real
// program in a process of its own, killed by SIGKILL.
//
// HELIOGRAPH_OFFICE_MAILS and HELIOGRAPH_OFFICE_SEED set the number of letters and what they are.
package office
