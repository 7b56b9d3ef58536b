package accesstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// The console under test.
const (
	host   = "console.example.com"
	origin = "https://" + host
)

// The flags of a device (W3C Web Authentication, 6.1).
const (
	UserPresent  byte = 0x01
	UserVerified byte = 0x04 // by finger or PIN
	attested     byte = 0x40 // the data has a new credential
)

var b64 = base64.RawURLEncoding

// Passkey is a device with one passkey, and the browser it is held to. A copy of it is a copy of the device.
type Passkey struct {
	t testing.TB

	Key    *ecdsa.PrivateKey
	ID     []byte // of the credential
	User   []byte // whom it is for: set by Create
	Origin string // the site the browser shows
	Flags  byte   // without the one for a new credential
	Count  uint32 // of the last answer
}

// NewPasskey makes a device that asks for a finger or PIN.
func NewPasskey(t testing.TB) *Passkey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Passkey{t: t, Key: key, ID: []byte(rand.Text()), Origin: origin, Flags: UserPresent | UserVerified}
}

// Create answers navigator.credentials.create, without attestation (8.7). The options are JSON, or what gives it.
func (p *Passkey) Create(options any) json.RawMessage {
	p.t.Helper()
	o := p.read(options)
	var err error
	if p.User, err = b64.DecodeString(o.User.ID); err != nil {
		p.t.Fatal(err)
	}
	point, err := p.Key.PublicKey.Bytes()
	if err != nil {
		p.t.Fatal(err)
	}
	public := p.cbor(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})                                             // RFC 9053, 7.1.1
	credential := slices.Concat(make([]byte, 16), []byte{0, byte(len(p.ID))}, p.ID, public)                                        // 6.5.1
	object := p.cbor(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": p.data(p.Flags|attested, credential)}) // 6.5.4
	return p.answer(map[string][]byte{"clientDataJSON": p.client("webauthn.create", o.Challenge), "attestationObject": object})
}

// Get answers navigator.credentials.get. The signature is over what the device says and the hash of what the browser says (6.3.3).
func (p *Passkey) Get(options any) json.RawMessage {
	p.t.Helper()
	client, data := p.client("webauthn.get", p.read(options).Challenge), p.data(p.Flags, nil)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(slices.Concat(data, sum[:]))
	signature, err := ecdsa.SignASN1(rand.Reader, p.Key, digest[:])
	if err != nil {
		p.t.Fatal(err)
	}
	return p.answer(map[string][]byte{"clientDataJSON": client, "authenticatorData": data, "signature": signature, "userHandle": p.User})
}

// options are what of both kinds of options a device looks at.
type options struct {
	Challenge string `json:"challenge"`
	User      struct {
		ID string `json:"id"`
	} `json:"user"`
}

func (p *Passkey) read(given any) (o options) {
	p.t.Helper()
	if err := json.Unmarshal(p.json(given), &o); err != nil {
		p.t.Fatal(err)
	}
	return o
}

// client is what the browser adds (5.8.1).
func (p *Passkey) client(kind, challenge string) []byte {
	p.t.Helper()
	return p.json(map[string]any{"type": kind, "challenge": challenge, "origin": p.Origin, "crossOrigin": false})
}

// data is what the device says (6.1).
func (p *Passkey) data(flags byte, more []byte) []byte {
	site := sha256.Sum256([]byte(host))
	p.Count++
	return append(binary.BigEndian.AppendUint32(append(site[:], flags), p.Count), more...)
}

// answer is PublicKeyCredential.toJSON (5.1).
func (p *Passkey) answer(response map[string][]byte) json.RawMessage {
	p.t.Helper()
	texts, id := map[string]string{}, b64.EncodeToString(p.ID)
	for k, v := range response {
		texts[k] = b64.EncodeToString(v)
	}
	return p.json(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": texts, "clientExtensionResults": map[string]any{}})
}

func (p *Passkey) json(v any) []byte {
	p.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

func (p *Passkey) cbor(v any) []byte {
	p.t.Helper()
	text, err := webauthncbor.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}
