package config

// google is the OAuth 2.0 of Google. Applications sign for accounts in Workspace only, with domain-wide delegation. There are no device
// codes for the scope of mail.
func google(service bool) *OAuthPreset {
	return &OAuthPreset{ //nolint:gosec // addresses, no credentials
		AuthorizeURL: "https://accounts.google.com/o/oauth2/v2/auth", TokenURL: "https://oauth2.googleapis.com/token",
		RevokeURL: "https://oauth2.googleapis.com/revoke",
		Scopes:    []string{"https://mail.google.com/"}, Service: service,
		// Without these no refresh token is given, or only the first time.
		AuthorizeParams: map[string]string{"access_type": "offline", "prompt": "consent"},
	}
}

// microsoft is the OAuth 2.0 of one of Microsoft's clouds. The scopes must be full addresses, and all of one resource. Own is the
// resource of applications that have rights by themselves; empty where there are none.
func microsoft(login, resource, own, tenant string) *OAuthPreset {
	base := "https://" + login + "/" + tenantMark + "/oauth2/v2.0/"
	p := &OAuthPreset{
		AuthorizeURL: base + "authorize", TokenURL: base + "token", DeviceURL: base + "devicecode", Tenant: tenant,
		Scopes: []string{resource + "/IMAP.AccessAsUser.All", resource + "/SMTP.Send", "offline_access"},
	}
	if own != "" {
		p.ClientScopes = []string{own + "/.default"}
	}
	return p
}

// yahoo is the OAuth 2.0 of Yahoo, which takes no new applications.
func yahoo() *OAuthPreset {
	return &OAuthPreset{ //nolint:gosec // addresses, no credentials
		AuthorizeURL: "https://api.login.yahoo.com/oauth2/request_auth", TokenURL: "https://api.login.yahoo.com/oauth2/get_token",
		Scopes: []string{"mail-w"},
	}
}

// fastmail is the OAuth 2.0 of Fastmail: PKCE, and no secret.
func fastmail() *OAuthPreset {
	return &OAuthPreset{ //nolint:gosec // addresses, no credentials
		AuthorizeURL: "https://api.fastmail.com/oauth/authorize", TokenURL: "https://api.fastmail.com/oauth/refresh",
		Scopes: []string{"https://www.fastmail.com/dev/protocol-imap", "https://www.fastmail.com/dev/protocol-smtp"},
	}
}

// yandex is the OAuth 2.0 of Yandex. [U] all of it
func yandex() *OAuthPreset {
	return &OAuthPreset{ //nolint:gosec // addresses, no credentials
		AuthorizeURL: "https://oauth.yandex.com/authorize", TokenURL: "https://oauth.yandex.com/token", Scopes: []string{"mail:imap_full", "mail:smtp"},
	}
}
