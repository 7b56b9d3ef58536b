package rest

import (
	"maps"
	"net/http"
	"slices"

	"golang.org/x/net/http/httpguts"

	"heliograph/crmclient"
)

// built is a compiled section.
type built struct {
	ops              operations
	login            login
	signer           *signer
	messagePath      *jsonPath
	tokenInTemplates bool
}

// Validate returns all that is wrong with the section. It uses neither network nor files.
func (c Config) Validate() error {
	_, err := compile(&c)
	return err
}

func compile(cfg *Config) (built, error) {
	c := &compiler{cfg: cfg}
	if err := cfg.Settings.Validate(); err != nil {
		c.errs = append(c.errs, err)
	}
	c.used = map[string]bool{}
	var b built
	c.section()
	if cfg.MessagePath != "" {
		b.messagePath = c.path("message_path", cfg.MessagePath)
	}
	c.compileAuth(&b)
	c.compileOperations(&b)
	c.checkRepeats(&b.ops)
	c.checkParts(&b.ops)
	return b, c.err()
}

func (c *compiler) section() {
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Headers)) {
		c.headerName("headers", name)
		if !httpguts.ValidHeaderFieldValue(c.cfg.Headers[name].Reveal()) {
			c.bad("headers", "the value of %s has a character that HTTP does not allow", name)
		}
	}
	l := c.cfg.Limits
	if l.SubjectCharacters < 0 || l.TextCharacters < 0 || l.Attachments < 0 || l.AttachmentBytes < 0 || l.AttachmentsBytes < 0 {
		c.bad("limits", "they must not be negative")
	}
	if l.AttachmentsBytes > maxBody/2 || l.AttachmentBytes > maxBody/2 {
		c.bad("limits", "attachments of more than %d bytes cannot be sent: they are held in memory", maxBody/2)
	}
	if len(c.cfg.Needs) > 0 && c.cfg.Operations.Describe == nil {
		c.bad("needs", "the operation describe is missing, which reads the fields")
	}
}

func (c *compiler) compileOperations(b *built) {
	o, before := &c.cfg.Operations, c.key
	c.key = "operations"
	defer func() { c.key = before }()
	activity := words(activityNames())
	for _, l := range []struct {
		name string
		from *Operation
		into **operation
		voc  vocabulary
	}{
		{"find_contacts", o.FindContacts, &b.ops.findContacts, words([]string{"address", "addresses"})},
		{"find_leads", o.FindLeads, &b.ops.findLeads, words([]string{"address", "addresses"})},
		{"create_contact", o.CreateContact, &b.ops.createContact, words(contactNames(), []string{"user"})},
		{"create_lead", o.CreateLead, &b.ops.createLead, words(contactNames(), []string{"user"})},
		{"find_parent", o.FindParent, &b.ops.findParent, activity},
		{"create_parent", o.CreateParent, &b.ops.createParent, activity},
		{"log_email", o.LogEmail, &b.ops.logEmail, words(activityNames(), []string{"parent", "user"})},
		{"find_email", o.FindEmail, &b.ops.findEmail, words([]string{"key"})},
		{"update_email", o.UpdateEmail, &b.ops.updateEmail, words(activityNames(), []string{"id"})},
		{"withdraw_email", o.WithdrawEmail, &b.ops.withdrawEmail, words([]string{"id", "key"})},
		{"create_ticket", o.CreateTicket, &b.ops.createTicket, words(ticketNames(), []string{"user"})},
		{"find_ticket", o.FindTicket, &b.ops.findTicket, words([]string{"key"})},
		{"find_user", o.FindUser, &b.ops.findUser, words([]string{"address"})},
		{"assign_ticket", o.AssignTicket, &b.ops.assignTicket, words([]string{"id", "assignee", "user"})},
		{"read_record", o.ReadRecord, &b.ops.readRecord, words([]string{"object", "id", "fields"})},
		{"query_records", o.QueryRecords, &b.ops.queryRecords, words([]string{"object", "where", "filter", "fields", "limit"})},
		{"find_record", o.FindRecord, &b.ops.findRecord, words([]string{"object", "key"})},
		{"create_record", o.CreateRecord, &b.ops.createRecord, words([]string{"object", "key", "fields"})},
		{"update_record", o.UpdateRecord, &b.ops.updateRecord, words([]string{"object", "id", "fields"})},
		{"changes", o.Changes, &b.ops.changes, words([]string{"object", "fields", "since", "cursor"})},
		{"find_file", o.FindFile, &b.ops.findFile, words([]string{"object", "id", "file"})},
		{"attach_file", o.AttachFile, &b.ops.attachFile, words([]string{"object", "id", "file"})},
		{"describe", o.Describe, &b.ops.describe, words([]string{"object"})},
		{"check", o.Check, &b.ops.check, words()},
	} {
		if c.cfg.Auth.Kind == AuthToken || c.cfg.Auth.Kind == AuthOAuth2 {
			l.voc["token"] = true
		}
		*l.into = c.operation(l.name, l.from, l.voc)
		if *l.into != nil && (*l.into).used["token"] {
			b.tokenInTemplates = true
		}
	}
	if o.FindContacts == nil {
		c.bad("find_contacts", "it is missing: a target must be able to find people")
	}
	if o.LogEmail == nil {
		c.bad("log_email", "it is missing: a target must be able to log mail")
	}
}

// safe says whether the operation that makes something may be repeated; found is the operation that finds it by its key.
func (c *compiler) safe(op, found *operation, foundName string) {
	if op == nil {
		return
	}
	ways := 0
	for _, given := range []bool{found != nil, op.idempotencyHeader != "", op.uniqueKey} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 0 && op.atLeastOnce:
		c.bad(op.name, "at_least_once is not needed beside %s, idempotency_header or unique_key", foundName)
	case ways == 0 && !op.atLeastOnce:
		c.bad(op.name, "it is not safe to repeat: after a time-out nobody knows whether the record was made. Add the operation %s, "+
			"or idempotency_header or unique_key where the API knows a repetition by itself, or accept two records with at_least_once: true", foundName)
	}
	if found != nil && found.result.items == nil {
		c.bad(foundName, "result.items is missing: without a list, nothing found and something found look the same")
	}
}

func (c *compiler) checkRepeats(o *operations) {
	before := c.key
	c.key = "operations"
	defer func() { c.key = before }()
	c.safe(o.logEmail, o.findEmail, "find_email")
	c.safe(o.createTicket, o.findTicket, "find_ticket")
	c.safe(o.createRecord, o.findRecord, "find_record")
	c.safe(o.attachFile, o.findFile, "find_file")
	for _, p := range []struct{ find, make *operation }{
		{o.findEmail, o.logEmail}, {o.findTicket, o.createTicket}, {o.findRecord, o.createRecord},
	} {
		if p.find != nil && !p.find.used["key"] {
			c.bad(p.find.name, "the request does not use {{ key }}")
		}
		if p.find != nil && p.make != nil && !p.make.used["key"] {
			c.bad(p.make.name, "the request does not write {{ key }}, so that %s could not find it", p.find.name)
		}
	}
}

func (c *compiler) checkParts(o *operations) {
	before := c.key
	c.key = "operations"
	defer func() { c.key = before }()
	need := func(op *operation, key string, e *extractor) {
		if op != nil && e == nil {
			c.bad(op.name, "result.%s is missing", key)
		}
	}
	for _, op := range []*operation{
		o.findContacts, o.findLeads, o.createContact, o.createLead, o.findParent, o.createParent, o.createTicket, o.findTicket, o.findUser,
		o.readRecord, o.queryRecords, o.createRecord, o.findRecord, o.changes,
	} {
		if op != nil {
			need(op, "id", op.result.id)
		}
	}
	for _, op := range []*operation{o.findContacts, o.findLeads, o.findParent, o.findUser, o.queryRecords, o.changes, o.findFile, o.describe} {
		if op != nil {
			need(op, "items", op.result.items)
		}
	}
	if o.describe != nil {
		need(o.describe, "name", o.describe.result.name)
	}
	for _, op := range []*operation{o.findContacts, o.findLeads} {
		if op != nil && op.batch > 1 && op.result.address == nil {
			c.bad(op.name, "with batch, result.address must say who was found")
		}
		if op != nil && !op.used["address"] && !op.used["addresses"] {
			c.bad(op.name, "the request uses neither {{ address }} nor {{ addresses }}")
		}
		if op != nil && op.batch > 1 && !op.used["addresses"] {
			c.bad(op.name, "with batch, the request must use {{ addresses }}")
		}
	}
	for _, op := range []*operation{o.updateEmail, o.withdrawEmail} {
		if op != nil && op.used["id"] && (o.findEmail == nil || o.findEmail.result.id == nil) {
			c.bad(op.name, "it needs the id, which is not known after a time-out: add find_email with result.id")
		}
	}
	c.checkLinks(o)
}

// checkLinks checks operations that need each other.
func (c *compiler) checkLinks(o *operations) {
	if o.createParent != nil && o.findParent == nil {
		c.bad("create_parent", "it needs find_parent, which must find what it made")
	}
	if o.logEmail != nil && o.logEmail.used["parent"] != (o.findParent != nil) {
		c.bad("log_email", "find_parent and {{ parent.id }} belong together")
	}
	for _, op := range []*operation{o.logEmail, o.createTicket, o.assignTicket, o.createContact, o.createLead} {
		if op != nil && op.used["user"] && o.findUser == nil {
			c.bad(op.name, "{{ user }} needs the operation find_user")
		}
	}
	for _, op := range []*operation{o.logEmail, o.createTicket} {
		if op == nil {
			continue
		}
		if op.files == FilesAttach && (o.attachFile == nil || op.result.id == nil) {
			c.bad(op.name, "files: attach needs the operation attach_file and result.id")
		}
		if op.files == FilesInline && !op.used["files"] {
			c.bad(op.name, "files: inline, but the request does not use {{ files }}")
		}
	}
	if ch := o.changes; ch != nil {
		switch {
		case ch.cursor && (!ch.used["cursor"] || ch.result.cur == nil):
			c.bad("changes", "with cursor, the request must use {{ cursor }} and result.cursor say where the next one is")
		case !ch.cursor && (!ch.used["since"] || ch.result.updatedAt == nil):
			c.bad("changes", "the request must use {{ since }} and result.updated_at say when a record changed; or set cursor")
		}
		if o.readRecord == nil {
			c.bad("changes", "it needs read_record")
		}
	}
	if o.queryRecords != nil && o.readRecord == nil {
		c.bad("query_records", "it needs read_record")
	}
}

// authKeys are the keys that each kind takes.
var authKeys = map[AuthKind][]string{
	AuthNone: {}, AuthAPIKey: {"header", "query", "prefix", "key"}, AuthBasic: {"user", "password"}, AuthBearer: {"token"},
	AuthOAuth2: {"token_url", "client_id", "client_secret", "scopes", "refresh_token", "connected", "client_basic", "token_params"},
	AuthToken:  {"header", "query", "prefix", "login"}, AuthHMAC: {"sign"},
}

// authNeeds are those that each kind must have.
var authNeeds = map[AuthKind][]string{
	AuthAPIKey: {"key"}, AuthBasic: {"user", "password"}, AuthBearer: {"token"}, AuthOAuth2: {"token_url", "client_id"},
	AuthToken: {"login"}, AuthHMAC: {"sign"},
}

func (a *Auth) given() map[string]bool {
	return map[string]bool{
		"header": a.Header != "", "query": a.Query != "", "prefix": a.Prefix != "", "key": !a.Key.IsZero(), "user": a.User != "",
		"password": !a.Password.IsZero(), "token": !a.Token.IsZero(), "token_url": a.TokenURL != "", "client_id": a.ClientID != "",
		"client_secret": !a.ClientSecret.IsZero(), "scopes": len(a.Scopes) > 0, "refresh_token": !a.RefreshToken.IsZero(),
		"connected": a.Connected, "client_basic": a.ClientBasic, "token_params": len(a.TokenParams) > 0,
		"login": a.Login != nil, "sign": a.Sign != nil,
	}
}

func (c *compiler) compileAuth(b *built) {
	a, before := &c.cfg.Auth, c.key
	c.key = "auth"
	defer func() { c.key = before }()
	kind := a.Kind
	if kind == "" {
		kind = AuthNone
	}
	given := a.given()
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if given[key] && !slices.Contains(authKeys[kind], key) {
			c.bad(key, "it does not belong to the kind %s", kind)
		}
	}
	for _, key := range authNeeds[kind] {
		if !given[key] {
			c.bad(key, "it is missing; the kind %s needs it", kind)
		}
	}
	if a.Header != "" && a.Query != "" {
		c.bad("", "header and query are both given")
	}
	if kind == AuthAPIKey && a.Header == "" && a.Query == "" {
		c.bad("header", "it is missing: give header or query for the key")
	}
	if a.Header != "" && !httpguts.ValidHeaderFieldName(a.Header) || slices.Contains(ownHeaders, http.CanonicalHeaderKey(a.Header)) {
		c.bad("header", "%q cannot be set", a.Header)
	}
	for _, v := range []struct{ key, value string }{{"key", a.Key.Reveal()}, {"token", a.Token.Reveal()}, {"prefix", a.Prefix}} {
		if !httpguts.ValidHeaderFieldValue(v.value) {
			c.bad(v.key, "it has a character that HTTP does not allow")
		}
	}
	if a.TokenURL != "" {
		if _, err := crmclient.ParseURL(a.TokenURL); err != nil {
			c.bad("token_url", "%w", err)
		}
	}
	if a.Sign != nil {
		b.signer = c.signer(a.Sign)
	}
	if a.Login != nil {
		c.compileLogin(a.Login, b)
	}
}

func (c *compiler) compileLogin(l *Login, b *built) {
	b.ops.login = c.operation("login", &l.Operation, words())
	c.voc = words()
	b.login.value, b.login.expiresIn = c.extractor("login.value", l.Value), c.extractor("login.expires_in", l.ExpiresIn)
	if l.Value == "" {
		c.bad("login.value", "it is missing: where in the answer is the token?")
	}
	if d := l.Lifetime.D(); d < 0 || d > maxLifetime {
		c.bad("login.lifetime", "it must be between 0 and %s", maxLifetime)
	}
	if l.Paging.Kind != "" {
		c.bad("login.paging", "a login has one page, not paging of the kind %s", l.Paging.Kind)
	}
}
