package jiandaoyun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
)

const (
	// maxTokens is how many tokens a transaction gets, and so how many files a record may have.
	maxTokens = 100
	// uploadTimeout is that of one file: 200 MiB in it need 14 Mbit/s.
	uploadTimeout = 2 * time.Minute
	// maxUploadHosts bounds how many hosts of the vendor's object store have a transport of their own.
	maxUploadHosts = 8
	maxToken       = 8 << 10
)

// uploaded are the keys of files that were uploaded.
type uploaded []string

// attach uploads files for a widget within a transaction, and says which ones were left out and why.
func (c *Client) attach(ctx context.Context, s *schema, place *widget, transaction string, files []crmclient.Attachment) (uploaded, []crmclient.AttachmentLeft, error) {
	if place == nil {
		return nil, nil, nil // the form has no place for files; their names are told of
	}
	if err := place.mustBe(typeUpload, "image"); err != nil {
		return nil, nil, err
	}
	var keys uploaded
	var left []crmclient.AttachmentLeft
	leave := func(f crmclient.Attachment, reason string) {
		left = append(left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: reason})
	}
	var take []crmclient.Attachment
	for _, f := range files {
		switch {
		case f.Open == nil: // told of only
		case f.Size > c.cfg.MaxFileBytes:
			leave(f, "larger than the form takes")
		case f.Size == 0:
			leave(f, "empty")
		case len(take) == maxTokens || c.cfg.FileValue == FileFirst && len(take) == 1:
			leave(f, "more files than the form takes")
		case place.Type == "image" && !strings.HasPrefix(f.Type, "image/"):
			leave(f, "the form takes pictures only")
		default:
			take = append(take, f)
		}
	}
	if len(take) == 0 {
		return nil, left, nil
	}
	tokens, err := c.tokens(ctx, s, transaction, len(take))
	if err != nil {
		return nil, nil, err
	}
	for i, f := range take {
		key, err := c.upload(ctx, tokens[i], f)
		if crmclient.ClassOf(err) == crmclient.ClassPermanent {
			leave(f, "refused by the store for files")
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("upload file %d: %w", i+1, err)
		}
		keys = append(keys, key)
	}
	return keys, left, nil
}

// uploadToken is the right to upload one file.
type uploadToken struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

func (c *Client) tokens(ctx context.Context, s *schema, transaction string, n int) ([]uploadToken, error) {
	var answer struct {
		List []uploadToken `json:"token_and_url_list"`
	}
	err := c.post(ctx, callUploadToken, struct {
		address
		TransactionID string `json:"transaction_id"`
	}{address(s.form), transaction}, &answer)
	if err != nil {
		return nil, nameForm(err, s.object)
	}
	if len(answer.List) < n {
		return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: fmt.Sprintf("%d upload tokens for %d files", len(answer.List), n)}
	}
	for _, t := range answer.List[:n] {
		if t.Token == "" || len(t.Token) > maxToken {
			return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: "an upload token is not usable"}
		}
	}
	return answer.List, nil
}

// upload sends one file. The key that comes back is good for this transaction.
func (c *Client) upload(ctx context.Context, token uploadToken, f crmclient.Attachment) (string, error) {
	transport, err := c.uploadTransport(token.URL)
	if err != nil {
		return "", err
	}
	body, kind, length, file, err := form(ctx, token.Token, f)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := c.await(ctx, callUpload); err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, token.URL, body)
	if err != nil {
		return "", configuration("", "the address for uploads is not usable")
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", kind)
	answer, err := transport.Do(req)
	if file.wrong {
		return "", permanent("the file is not as long as it was")
	}
	if err != nil {
		return "", uploadError(ctx, answer, err)
	}
	var got struct {
		Key string `json:"key"`
	}
	if err := answer.JSON(&got); err != nil {
		return "", err
	}
	if got.Key == "" {
		return "", &crmclient.Error{Class: crmclient.ClassRetry, Message: "the store for files gave no key"}
	}
	return got.Key, nil
}

// uploadError classifies an upload that failed. What the store says is left out of it: it may repeat the token.
func uploadError(ctx context.Context, answer *crmclient.Answer, err error) error {
	if answer == nil || ctx.Err() != nil {
		return err
	}
	e := &crmclient.Error{
		Class: crmclient.ClassOf(err), Status: answer.Status, RetryAfter: crmclient.RetryAfter(err), Message: "the store for files refused",
	}
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict:
		e.Class = crmclient.ClassRetry // the token is spent or too old: the next try gets fresh ones
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		e.Class = crmclient.ClassPermanent
	}
	return e
}

// exact reads a file and notices when it is not as long as it was said to be: the length of the request is fixed before.
type exact struct {
	io.ReadCloser
	left  int64
	wrong bool
}

// Read reads at most what is left.
func (e *exact) Read(p []byte) (int, error) {
	if e.left == 0 {
		var one [1]byte
		if n, _ := e.ReadCloser.Read(one[:]); n > 0 {
			e.wrong = true
			return 0, errors.New("the file is longer than it was")
		}
		return 0, io.EOF
	}
	n, err := e.ReadCloser.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if errors.Is(err, io.EOF) && e.left > 0 {
		e.wrong = true
		return n, io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.EOF) {
		err = nil // asked for once more, to see that this is the end
	}
	return n, err
}

// form makes the body of an upload: the token first, the file last. The file is read while it is sent.
func form(ctx context.Context, token string, f crmclient.Attachment) (body io.Reader, kind string, length int64, file *exact, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", fmt.Sprintf(`form-data; name="file"; filename="%s"`, fileName(f.Name)))
	header.Set("Content-Type", mediaType(f.Type))
	if err := w.WriteField("token", token); err != nil {
		return nil, "", 0, nil, err
	}
	if _, err := w.CreatePart(header); err != nil {
		return nil, "", 0, nil, err
	}
	head := b.Len()
	if err := w.Close(); err != nil {
		return nil, "", 0, nil, err
	}
	r, err := f.Open(ctx)
	if err != nil {
		return nil, "", 0, nil, fmt.Errorf("open the file: %w", err)
	}
	file = &exact{ReadCloser: r, left: f.Size}
	body = io.MultiReader(bytes.NewReader(b.Bytes()[:head]), file, bytes.NewReader(b.Bytes()[head:]))
	return body, w.FormDataContentType(), int64(b.Len()) + f.Size, file, nil
}

// fileName takes out what would end the header or climb out of a folder.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`"\/:*?<>|`, r) {
			return '_'
		}
		return r
	}, name)
	const most = 200 // runes; what is shown of a name in the vendor's lists is far less
	if runes := []rune(name); len(runes) > most {
		name = string(runes[len(runes)-most:]) // the ending tells the type
	}
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	return name
}

func mediaType(t string) string {
	if t == "" || strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "application/octet-stream"
	}
	return t
}

// uploadTransport returns the transport for the host that the vendor named. That host is another than the API's and comes from an answer, so
// it is not trusted: it must speak https and not be in a private network, unless it is the API's own host or allow_private
// says so; it gets no API key, and no redirect is followed.
func (c *Client) uploadTransport(raw string) (*crmclient.Transport, error) {
	u, err := crmclient.ParseURL(raw)
	if err != nil || u.User != nil {
		return nil, configuration("", "the vendor named an address for uploads that cannot be used")
	}
	host := strings.ToLower(u.Hostname())
	same := strings.EqualFold(host, c.url.Hostname())
	if u.Scheme != "https" && !(same && c.url.Scheme == "http" && loopback(host)) {
		return nil, configuration("", "the vendor named %s for uploads, which is not https", u.Host)
	}
	if len(c.cfg.UploadHosts) > 0 && !slices.ContainsFunc(c.cfg.UploadHosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return nil, configuration("把该主机加入 upload_hosts (add the host to upload_hosts)", "the vendor named %s for uploads, which is not among upload_hosts", u.Host)
	}
	origin := u.Scheme + "://" + strings.ToLower(u.Host)
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.uploads[origin]; t != nil {
		return t, nil
	}
	settings := c.cfg.Settings
	settings.RequestsPerSecond, settings.MaxConcurrent, settings.Timeout = 0, 0, config.Duration(uploadTimeout)
	if !same && (settings.AllowPrivate == nil || !*settings.AllowPrivate) {
		no := false
		settings.AllowPrivate = &no
	}
	d := c.deps
	d.Target += "/upload" // a state of the circuit of its own
	t, err := d.Transport(settings, crmclient.Options{URL: &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}, NoRedirects: true, HidePath: true, MaxConcurrent: 4})
	if err != nil {
		return nil, configuration("", "the vendor named %s for uploads: %v", u.Host, err)
	}
	if len(c.uploads) >= maxUploadHosts {
		for _, old := range c.uploads {
			_ = old.Close()
		}
		clear(c.uploads)
	}
	c.uploads[origin] = t
	return t, nil
}

func loopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
