// Package seal encrypts secrets at rest: each with a key of its own, which is encrypted with the key in one file. The format is age
// (age-encryption.org/v1), so that a secret can be decrypted without Berth if necessary.
package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"filippo.io/age"

	"berth.dev/berth/disk"
)

const (
	fileName = "secrets-key.txt"
	header   = "age-encryption.org/v1"
)

// Box encrypts and decrypts secrets. It is safe for concurrent use.
type Box struct {
	path string // empty: in memory only

	mu   sync.RWMutex
	keys []*age.X25519Identity // the first seals; all open
}

// LoadOrMake reads dir/secrets-key.txt, and creates it at the first start, readable by its owner only.
func LoadOrMake(dir string) (*Box, error) {
	b := &Box{path: filepath.Join(dir, fileName)}
	text, err := disk.Read(b.path, disk.Secret)
	if errors.Is(err, fs.ErrNotExist) {
		return b, b.AddKey()
	}
	if err != nil {
		return nil, err
	}
	found, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, b.damaged(errors.New("every line must be a comment or AGE-SECRET-KEY-…"))
	}
	for _, f := range found {
		key, isX25519 := f.(*age.X25519Identity)
		if !isX25519 {
			return nil, b.damaged(errors.New("it contains a key of another kind"))
		}
		b.keys = append(b.keys, key)
	}
	return b, nil
}

func (b *Box) damaged(why error) error {
	return fmt.Errorf("%s is damaged (%w): restore it from a backup; without it the secrets in the database (kubeconfigs, private keys) "+
		"cannot be opened", b.path, why)
}

// Ephemeral creates a box whose key exists in memory only.
func Ephemeral() (*Box, error) {
	b := &Box{}
	return b, b.AddKey()
}

// AddKey creates a key that encrypts from now on. Older keys still decrypt.
func (b *Box) AddKey() error {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.replace(append([]*age.X25519Identity{key}, b.keys...))
}

// DropOldKeys removes all keys but the one that encrypts. Encrypt all secrets with that key before.
func (b *Box) DropOldKeys() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.replace(b.keys[:1:1])
}

// Rotating reports whether there are older keys: a rotation has not finished.
func (b *Box) Rotating() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.keys) > 1
}

// replace writes the file before any of the keys is used.
func (b *Box) replace(keys []*age.X25519Identity) error {
	if b.path != "" {
		var text strings.Builder
		text.WriteString("# Opens the secrets in Berth's database. Keep a copy apart from that of the database.\n")
		for _, k := range keys {
			text.WriteString(k.String() + "\n")
		}
		if err := disk.Write(b.path, []byte(text.String()), disk.Secret); err != nil {
			return fmt.Errorf("write the key of the secrets: %w", err)
		}
	}
	b.keys = keys
	return nil
}

// Seal encrypts a value. label names what it is the value of: Open needs the same label.
func (b *Box) Seal(label string, value []byte) ([]byte, error) {
	b.mu.RLock()
	key := b.keys[0]
	b.mu.RUnlock()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, key.Recipient())
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(append([]byte(label+"\x00"), value...)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Open decrypts what Seal encrypted under the same label. It returns a value that was stored before there were keys as it is.
func (b *Box) Open(label string, sealed []byte) ([]byte, error) {
	if !bytes.HasPrefix(sealed, []byte(header)) {
		return sealed, nil
	}
	b.mu.RLock()
	identities := make([]age.Identity, len(b.keys))
	for i, k := range b.keys {
		identities[i] = k
	}
	b.mu.RUnlock()
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if err != nil {
		return nil, fmt.Errorf("a secret of %s cannot be opened with the keys in %s: is it the file that belongs to this database?", label,
			fileName)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("a secret of %s is damaged", label)
	}
	value, is := bytes.CutPrefix(plain, []byte(label+"\x00"))
	if !is {
		return nil, fmt.Errorf("the value in the database for a secret of %s belongs to another one", label)
	}
	return value, nil
}

// Sealed reports whether a value is encrypted with the key that encrypts now.
func (b *Box) Sealed(value []byte) bool {
	if !bytes.HasPrefix(value, []byte(header)) {
		return false
	}
	b.mu.RLock()
	key := b.keys[0]
	b.mu.RUnlock()
	_, err := age.Decrypt(bytes.NewReader(value), key)
	return err == nil
}
