// Package onboard tells mail programs and people the settings by which they reach the gateway.
//
// The main idea: everything follows from the configuration. Listeners give ports and TLS, console.onboarding gives the public names,
// the upstream of a domain says what the password is. Strangers may ask, so an answer depends on the domain of an address and never on
// whether there is such an account; what they send is bounded, and they are counted.
//
//   - settings.go: the servers for an address
//   - http.go: the paths that are served, and how often
//   - autoconfig.go: Thunderbird and what learnt from it (config-v1.1.xml)
//   - autodiscover.go: Outlook (POX, and the JSON that points to it)
//   - apple.go: the profile of iOS and macOS (.mobileconfig). It is not signed, so that devices call it "not verified"
//   - dns.go: the records that programs look for (RFC 6186, RFC 8314), and which are missing
//   - guide.go, programs.go: the same for people, step by step; qr.go: the picture that phones read
//
// It stores nothing and knows no password.
package onboard
