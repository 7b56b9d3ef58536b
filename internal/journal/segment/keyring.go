package segment

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	masterKeySize = 32
	dataKeySize   = 32
	// wrapOverhead is the random nonce and the tag around what a master key encrypts.
	wrapOverhead = 12 + 16
)

// keyID tells master keys apart: the first bytes of a hash of the key.
type keyID [4]byte

func (id keyID) String() string { return hex.EncodeToString(id[:]) }

// Keyring holds the master keys. The newest encrypts; all decrypt. A master key
// encrypts two small things per message (the data key and the mark) under random
// nonces, which is safe for some two thousand million messages.
type Keyring struct {
	keys []masterKey // newest first, never empty
}

type masterKey struct {
	id   keyID
	aead cipher.AEAD
	root []byte // of the keys that Derive makes
}

// ErrNoKey says that something was encrypted with a master key that the keyring lacks.
var ErrNoKey = errors.New("master key is not in the key file")

// NewKeyring returns a keyring with one new random key that is stored nowhere.
func NewKeyring() *Keyring {
	k, err := parseKeyring(newKeyFile())
	if err != nil {
		panic(err) // we read what we wrote
	}
	return k
}

// LoadKeyring reads the master keys at path. When there is no such file, it is
// created with a new key, durably and readable by its owner only, and created is
// true: the operator must be told to back it up. A file that others may read is refused.
func LoadKeyring(path string) (k *Keyring, created bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		if err := createKeyFile(path); err != nil {
			return nil, false, fmt.Errorf("creating key file %s: %w", path, err)
		}
		created = true
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, false, fmt.Errorf("key file %s has mode %04o and may be read by others: run chmod 600 %s", path, mode, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, false, fmt.Errorf("reading key file: %w", err)
	}
	if k, err = parseKeyring(b); err != nil {
		return nil, false, fmt.Errorf("reading key file %s: %w", path, err)
	}
	return k, created, nil
}

func newKeyFile() []byte {
	var key [masterKeySize]byte
	_, _ = rand.Read(key[:]) // never fails: crypto/rand aborts the program instead
	return fmt.Appendf(nil, "# Master keys of the journal, newest first. Keep a copy in a safe place:\n"+
		"# without it no stored message can be read.\n%s %s\n",
		idOfKey(key[:]), base64.StdEncoding.EncodeToString(key[:]))
}

func idOfKey(key []byte) keyID {
	sum := sha256.Sum256(append([]byte("heliograph master key\x00"), key...))
	return keyID(sum[:4])
}

func parseKeyring(b []byte) (*Keyring, error) {
	k := &Keyring{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		id, text, _ := strings.Cut(line, " ")
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(key) != masterKeySize {
			return nil, fmt.Errorf("line %d is not a key id and %d bytes in base64", n, masterKeySize)
		}
		m := masterKey{id: idOfKey(key)}
		if m.id.String() != id {
			return nil, fmt.Errorf("line %d: key id and key do not belong together", n)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		if m.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, err
		}
		if m.root, err = hkdf.Extract(sha256.New, key, []byte("heliograph derived keys")); err != nil {
			return nil, err
		}
		k.keys = append(k.keys, m)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(k.keys) == 0 {
		return nil, errors.New("holds no key")
	}
	return k, nil
}

// createKeyFile writes a new file beside path, syncs it and renames it.
func createKeyFile(path string) (err error) {
	dir := filepath.Dir(path)
	if err := OS.MkdirAll(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // best effort; err says what went wrong
		}
	}()
	_, err = f.Write(newKeyFile())
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		// Link instead of rename: a key file that appeared meanwhile must not be replaced.
		err = os.Link(f.Name(), path)
	}
	if err != nil {
		return err
	}
	if err = os.Remove(f.Name()); err != nil {
		return err
	}
	return OS.SyncDir(dir)
}

// IDs returns the names of the keys, the one that encrypts first. They tell nothing of the
// keys, and are what to compare a backup by.
func (k *Keyring) IDs() []string {
	ids := make([]string, len(k.keys))
	for i, key := range k.keys {
		ids[i] = key.id.String()
	}
	return ids
}

func (k *Keyring) has(id keyID) bool {
	_, err := k.find(id)
	return err == nil
}

func (k *Keyring) find(id keyID) (masterKey, error) {
	for _, m := range k.keys {
		if m.id == id {
			return m, nil
		}
	}
	return masterKey{}, fmt.Errorf("key %s: %w", id, ErrNoKey)
}

// encrypt appends the id of the newest key and plain encrypted with it.
func (k *Keyring) encrypt(dst, plain, aad []byte) []byte {
	m := k.keys[0]
	dst = append(dst, m.id[:]...)
	return m.aead.Seal(dst, nil, plain, aad)
}

// decrypt undoes encrypt.
func (k *Keyring) decrypt(sealed, aad []byte) ([]byte, error) {
	var id keyID
	if len(sealed) < len(id) {
		return nil, errDecrypt
	}
	copy(id[:], sealed)
	m, err := k.find(id)
	if err != nil {
		return nil, err
	}
	plain, err := m.aead.Open(nil, nil, sealed[len(id):], aad)
	if err != nil {
		return nil, errDecrypt
	}
	return plain, nil
}

var errDecrypt = errors.New("content does not match its key or was changed")
