package espocrm

// HMACAuthorization is for its worked example.
var HMACAuthorization = hmacAuthorization
