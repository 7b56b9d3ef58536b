package segment

import (
	"crypto/hkdf"
	"crypto/sha256"
)

// Seal encrypts plain, which is small, with the newest master key, and binds it to aad. It is for secrets
// outside the log that share its key file.
func (k *Keyring) Seal(plain, aad []byte) []byte { return k.encrypt(nil, plain, aad) }

// Open undoes Seal. The error is ErrNoKey where the key file lacks the key.
func (k *Keyring) Open(sealed, aad []byte) ([]byte, error) { return k.decrypt(sealed, aad) }

// Derive returns keys of 32 bytes for a purpose, one for each master key, the newest first: for signatures outside the log that share its key
// file. They tell nothing of the master keys (RFC 5869).
func (k *Keyring) Derive(purpose string) [][]byte {
	keys := make([][]byte, len(k.keys))
	for i, m := range k.keys {
		key, err := hkdf.Expand(sha256.New, m.root, purpose, dataKeySize)
		if err != nil {
			panic(err) // of a length that is too large
		}
		keys[i] = key
	}
	return keys
}
