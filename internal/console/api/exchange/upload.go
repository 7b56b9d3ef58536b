package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/tablefile"
	"heliograph/internal/tables"
)

// importBody is an import as it is stored: what the API shows, and what a person said of the file rather than the file itself.
type importBody struct {
	Import
	Said said `json:"said"`
}

// said is what is not to be recognised.
type said struct {
	Encoding  tablefile.Encoding `json:"encoding,omitempty"`
	Delimiter string             `json:"delimiter,omitempty"`
	Sheet     string             `json:"sheet,omitempty"`
	HeaderRow int                `json:"header_row,omitempty"`
}

// maxField bounds a field of the form.
const maxField = 1000

// CreateImport takes a file.
func (p *Part) CreateImport(ctx context.Context, r CreateImportRequestObject) (CreateImportResponseObject, error) {
	c := caller(ctx)
	if r.Body == nil {
		return nil, api.Invalid("no_form", "the body is not a form with a file")
	}
	if err := p.Clean(ctx); err != nil {
		return nil, err
	}
	id := newID()
	body, err := p.receive(r.Body, id)
	body.Id = id
	if err == nil {
		if err = p.checkKind(c, &body.Import); err == nil {
			err = p.look(&body)
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.importFolder(id)))
	}
	now := p.o.Now().UTC()
	body.Id, body.State, body.CreatedAt, body.CreatedBy, body.Version, body.Duplicates = id, ImportStateReady, now, c.Person.Email, 1, Skip
	if err := insertJob(ctx, p.jobs, kindImport, row[importBody]{ID: id, Person: c.Person.ID, State: string(body.State), Created: now, Version: 1, Body: body}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.importFolder(id)))
	}
	api.Note(ctx, "kind", string(body.Kind))
	api.Note(ctx, "file", body.File)
	return CreateImport201JSONResponse{Body: body.Import, Headers: CreateImport201ResponseHeaders{
		ETag: ptr(etag(1)), Location: ptr("/api/v1/imports/" + id),
	}}, nil
}

func etag(version int) string { return fmt.Sprintf(`"%d"`, version) }

// receive reads the form: fields, then the file, which is streamed to disk.
func (p *Part) receive(form *multipart.Reader, id string) (body importBody, err error) {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return body, api.Invalid("no_file", "there is no file in the form", api.Field{Pointer: "/file", Detail: "is missing"})
		}
		if err != nil {
			return body, api.Invalid("bad_form", "the form ends in the middle").Because(err)
		}
		if part.FormName() == "file" {
			body.File = fileName(part.FileName())
			body.Bytes, err = p.keep(part, id)
			return body, err
		}
		text, err := io.ReadAll(io.LimitReader(part, maxField+1))
		if err != nil || len(text) > maxField {
			return body, api.Invalid("bad_form", "a field of the form is too long").Because(err)
		}
		switch value := strings.TrimSpace(string(text)); part.FormName() {
		case "kind":
			body.Kind = ImportKind(value)
		case "target":
			body.Target = ptr(value)
		case "table":
			body.Table = ptr(value)
		}
	}
}

// keep writes the file.
func (p *Part) keep(r io.Reader, id string) (n int64, err error) {
	if err := os.MkdirAll(p.importFolder(id), 0o700); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(p.upload(id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	most := int64(p.o.Config.UploadBytes)
	n, err = io.Copy(f, io.LimitReader(r, most+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, api.Invalid("upload_ended", "the file did not come in whole").Because(err)
	}
	if n > most {
		return 0, api.Fail(413, "too_large", fmt.Sprintf("the file is larger than %d bytes", most), "Split it, or let an administrator raise console.exchange.upload_bytes.")
	}
	if n == 0 {
		return 0, api.Invalid("empty_file", "the file is empty")
	}
	return n, nil
}

func (p *Part) upload(id string) string { return filepath.Join(p.importFolder(id), "upload") }

// fileName is what a browser says of a file, without folders and what cannot be shown.
func fileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if runes := []rune(name); len(runes) > 100 {
		name = string(runes[:100])
	}
	if name == "" {
		return "file"
	}
	return name
}

// checkKind says whether an import of its kind is possible here, for the caller, into what it names.
func (p *Part) checkKind(c *access.Caller, i *Import) error {
	need := map[ImportKind]access.Permission{
		ImportKindContactsCreate: access.ContactsWrite, ImportKindContactsLearn: access.ContactsWrite, ImportKindTable: access.RulesWrite,
	}[i.Kind]
	switch {
	case need == "":
		return api.Invalid("bad_kind", "say what the file is", api.Field{Pointer: "/kind", Detail: "must be contacts_create, contacts_learn or table"})
	case !c.May(need):
		return api.Forbidden("forbidden", "importing this takes the permission "+string(need))
	case i.Kind == ImportKindContactsCreate && p.o.CRM == nil:
		return api.Conflict("no_builtin_crm", "there is no built-in CRM here", "Import into the CRM itself, or use contacts_learn.")
	case i.Kind == ImportKindContactsLearn:
		return p.checkTarget(c, i)
	case i.Kind == ImportKindTable && p.o.Tables == nil:
		return api.Conflict("no_tables", "tables cannot be kept here", "")
	case i.Kind == ImportKindTable:
		return p.checkTable(deref(i.Table))
	}
	return nil
}

func (p *Part) checkTarget(c *access.Caller, i *Import) error {
	if c.Scope != access.ScopeAll {
		return api.Forbidden("forbidden", "contacts of all colleagues are learnt by those who see all of them")
	}
	if p.o.Contacts() == nil || len(p.o.Targets()) == 0 {
		return api.Conflict("no_crm", "no CRM is connected whose contacts are known", "Connect one first.")
	}
	if i.Target == nil && len(p.o.Targets()) == 1 {
		only := p.o.Targets()[0]
		i.Target = &only
	}
	for _, t := range p.o.Targets() {
		if t == deref(i.Target) {
			return nil
		}
	}
	return api.Invalid("bad_target", "say which CRM is meant", api.Field{Pointer: "/target", Detail: "must be one of " + strings.Join(p.o.Targets(), ", ")})
}

func (p *Part) checkTable(name string) error {
	if tables.CheckName(name) != nil {
		return api.Invalid("bad_name", "give the table a name", api.Field{Pointer: "/table", Detail: "must be a plain name of 100 bytes at most"})
	}
	for _, t := range p.o.ConfiguredTables() {
		if t.Name == name {
			return api.Conflict("table_of_config", "the configuration (rules.tables) has a table of this name", "Choose another name, or change the file that the configuration names.")
		}
	}
	return nil
}
