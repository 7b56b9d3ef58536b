package segment

// Seal encrypts plain, which is small, with the newest master key, and binds it to aad. It is for secrets
// outside the log that share its key file.
func (k *Keyring) Seal(plain, aad []byte) []byte { return k.encrypt(nil, plain, aad) }

// Open undoes Seal. The error is ErrNoKey where the key file lacks the key.
func (k *Keyring) Open(sealed, aad []byte) ([]byte, error) { return k.decrypt(sealed, aad) }
