package administration_test

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

	"heliograph/internal/console/access"
	"heliograph/internal/console/api/administration"
)

var b64 = base64.RawURLEncoding

// keyRing is a passkey's device: user present and verified, without attestation.
type keyRing struct {
	t     *testing.T
	key   *ecdsa.PrivateKey
	id    []byte
	user  string // as the options have it
	count uint32
}

func newKeyRing(t *testing.T) *keyRing {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &keyRing{t: t, key: key, id: []byte(rand.Text())}
}

// client is what the browser adds (W3C Web Authentication, 5.8.1), and data what the device does (6.1).
func (k *keyRing) client(kind string, options map[string]any) []byte {
	text, err := json.Marshal(m{"type": kind, "challenge": options["challenge"], "origin": "https://console.example.com", "crossOrigin": false})
	if err != nil {
		k.t.Fatal(err)
	}
	return text
}

func (k *keyRing) data(flags byte, more ...byte) []byte {
	rp := sha256.Sum256([]byte("console.example.com"))
	k.count++
	return append(binary.BigEndian.AppendUint32(append(rp[:], flags), k.count), more...)
}

func (k *keyRing) answer(response m) m {
	return m{"id": b64.EncodeToString(k.id), "rawId": b64.EncodeToString(k.id), "type": "public-key", "response": response, "clientExtensionResults": m{}}
}

// create answers navigator.credentials.create.
func (k *keyRing) create(options map[string]any) m {
	k.t.Helper()
	k.user, _ = options["user"].(map[string]any)["id"].(string)
	point, err := k.key.PublicKey.Bytes()
	if err != nil {
		k.t.Fatal(err)
	}
	public, err := webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}) // RFC 9053, 7.1.1
	if err != nil {
		k.t.Fatal(err)
	}
	credential := slices.Concat(make([]byte, 16), []byte{0, byte(len(k.id))}, k.id, public)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": k.data(0x45, credential...)})
	if err != nil {
		k.t.Fatal(err)
	}
	return k.answer(m{"clientDataJSON": b64.EncodeToString(k.client("webauthn.create", options)), "attestationObject": b64.EncodeToString(object)})
}

// get answers navigator.credentials.get.
func (k *keyRing) get(options map[string]any) m {
	k.t.Helper()
	client, data := k.client("webauthn.get", options), k.data(0x05)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(slices.Concat(data, sum[:]))
	signature, err := ecdsa.SignASN1(rand.Reader, k.key, digest[:])
	if err != nil {
		k.t.Fatal(err)
	}
	return k.answer(m{
		"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data), "signature": b64.EncodeToString(signature), "userHandle": k.user,
	})
}

// use signs in, or confirms, with the device.
func (k *keyRing) use(b *browser, want int) (administration.Session, m) {
	k.t.Helper()
	begun := read[administration.Ceremony](k.t, b.do(200, "POST", "/api/v1/session/passkey/begin", nil))
	said := m{"ceremony": begun.Ceremony, "credential": k.get(begun.Options)}
	return read[administration.Session](k.t, b.do(want, "POST", "/api/v1/session/passkey/finish", said)), said
}

// A passkey is added, is enough to sign in, and is the second step behind a password.
func TestPasskey(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		admin, key := o.setUp(), newKeyRing(t)
		begun := read[administration.Ceremony](t, admin.do(200, "POST", "/api/v1/me/factors/passkey/begin", nil))
		finish := m{"ceremony": begun.Ceremony, "name": "key ring", "credential": key.create(begun.Options)}
		o.browser().refused(401, "sign_in", "POST", "/api/v1/me/factors/passkey/finish", finish)
		added := read[administration.FactorAdded](t, admin.do(200, "POST", "/api/v1/me/factors/passkey/finish", finish))
		if added.Factor.Name != "key ring" || added.Factor.Kind != "passkey" || len(added.RecoveryCodes) != 10 {
			t.Errorf("added is %+v", added)
		}
		admin.refused(401, "sign_in_expired", "POST", "/api/v1/me/factors/passkey/finish", finish) // the ceremony is over

		alone := o.browser()
		s, said := key.use(alone, 200)
		if !s.SignedIn || s.Person.Email != "it@example.com" {
			t.Errorf("alone is told %+v", s)
		}
		o.browser().refused(401, "passkey_refused", "POST", "/api/v1/session/passkey/finish", said)
		if me := read[administration.Me](t, alone.do(200, "GET", "/api/v1/me", nil)); me.Email != "it@example.com" {
			t.Errorf("me is %+v", me)
		}
		stranger := newKeyRing(t)
		stranger.id, stranger.user = key.id, key.user
		if s, _ := stranger.use(o.browser(), 401); s.SignedIn {
			t.Error("another key with the same name is let in")
		}

		half := o.browser()
		s = read[administration.Session](t, half.do(200, "POST", "/api/v1/session", m{"address": "it@example.com", "password": goodPassword}))
		if s.SignedIn || s.Step != administration.StepSecondFactor || !slices.Contains(s.SecondFactors, administration.FactorKindPasskey) {
			t.Errorf("behind the password is told %+v", s)
		}
		half.refused(401, "sign_in", "GET", "/api/v1/me", nil)
		if s, _ = key.use(half, 200); !s.SignedIn {
			t.Errorf("behind the passkey is told %+v", s)
		}
		half.do(200, "GET", "/api/v1/me", nil)
		if acts := o.server.Acts("finishPasskey"); len(acts) == 0 || acts[len(acts)-1].Notes["email"] != "it@example.com" {
			t.Errorf("on record is %+v", acts)
		}
	})
}

// A link says what it is for, until it is used.
func TestSetUpLink(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		token, _, err := o.signIn.FirstAdminLink(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b := o.browser()
		first := read[administration.SetUpLink](t, b.do(200, "POST", "/api/v1/session/setup/check", m{"token": token}))
		b.do(200, "POST", "/api/v1/session/setup", m{"token": token, "password": goodPassword, "email": "it@example.com", "name": "IT"})
		o.browser().refused(404, "link_invalid", "POST", "/api/v1/session/setup/check", m{"token": token})
		who := read[administration.User](t, b.do(201, "POST", "/api/v1/people", m{"email": "li.na@example.com", "name": "Li Na", "role": access.Agent}))
		link := read[administration.Invitation](t, b.do(201, "POST", "/api/v1/people/"+who.Id+"/invitation", nil)).Link
		second := read[administration.SetUpLink](t, o.browser().do(200, "POST", "/api/v1/session/setup/check", m{"token": link[len("https://console.example.com/setup#"):]}))
		if first.Email != "" || second.Email != "li.na@example.com" || first.Kind == second.Kind {
			t.Errorf("the first is for %+v, the second for %+v", first, second)
		}
	})
}
