package identity

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth/disk"
)

const (
	// keyLife is how long a key signs before a new one replaces it.
	keyLife = 30 * 24 * time.Hour
	// keyOverlap is how long a key is accepted after its last signature: until the last of its tokens has expired.
	keyOverlap = TokenLife + leeway
)

// Headers of the PEM blocks in the file.
const (
	headerMade    = "Made"
	headerRetired = "Retired"
)

// Keys are the keys of the tokens: one that signs, and earlier ones until the last of their tokens has expired.
type Keys struct {
	path  string
	clock clockwork.Clock

	stale atomic.Pointer[func() ([]byte, error)] // reads the keys that another server has changed; nil when there are none
	mu    sync.RWMutex
	list  []signingKey            // the one that signs first
	share func(text []byte) error // gives the keys to the other servers; nil when there are none
}

// Share sets what gives the file of the keys to the other servers before one of its keys signs.
func (k *Keys) Share(give func(text []byte) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.share = give
}

// Forget makes the keys be read again before their next use, because another server has changed them.
func (k *Keys) Forget(read func() ([]byte, error)) { k.stale.Store(&read) }

// fresh reads the keys again if that is needed. While they cannot be read, those that are known stay.
func (k *Keys) fresh() {
	if k.stale.Load() == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	read := k.stale.Swap(nil)
	if read == nil {
		return
	}
	text, err := (*read)()
	var list []signingKey
	if err == nil {
		list, err = k.parseAll(text)
	}
	if err == nil {
		err = disk.Write(k.path, text, disk.Secret)
	}
	if err != nil {
		k.stale.CompareAndSwap(nil, read) // the next use tries again
		return
	}
	k.list = list
}

// parseAll reads a file of keys.
func (k *Keys) parseAll(data []byte) (list []signingKey, err error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		key, err := k.parse(block)
		if err != nil {
			return nil, k.damaged(err)
		}
		list = append(list, key)
	}
	if len(list) == 0 {
		return nil, k.damaged(errors.New("no PEM block PRIVATE KEY in it"))
	}
	return list, nil
}

// signingKey is a P-256 key (ES256): it is generated in 18 µs where RSA 2048 takes 61 ms at the first start, and clients only
// decode the tokens, so none of them requires RS256.
type signingKey struct {
	private *ecdsa.PrivateKey
	public  jose.JSONWebKey
	signer  jose.Signer
	made    time.Time
	retired time.Time // zero: it signs
}

// KeyInfo is the public information about a key.
type KeyInfo struct {
	ID      string    `json:"kid"`
	Made    time.Time `json:"made"`
	Retired time.Time `json:"retired,omitzero"`
	Signs   bool      `json:"signs"`
}

// LoadOrMakeKeys reads dir/signing-key.pem, the newest key first, and creates it at the first start.
func LoadOrMakeKeys(dir string, clock clockwork.Clock) (*Keys, error) {
	k := &Keys{path: filepath.Join(dir, "signing-key.pem"), clock: clock}
	data, err := disk.Read(k.path, disk.Secret)
	if errors.Is(err, fs.ErrNotExist) {
		return k, k.Rotate(false)
	}
	if err != nil {
		return nil, err
	}
	k.list, err = k.parseAll(data)
	if err != nil {
		return nil, err
	}
	return k, nil
}

func (k *Keys) damaged(why error) error {
	return fmt.Errorf("%s is damaged (%w): restore it from a backup, or remove it to create a new key; tokens issued until then are "+
		"no longer accepted, and clients request new ones", k.path, why)
}

func (k *Keys) parse(block *pem.Block) (signingKey, error) {
	private, err := parseKey(block)
	if err != nil {
		return signingKey{}, err
	}
	key, err := newSigningKey(private)
	if err != nil {
		return signingKey{}, err
	}
	key.made, key.retired = k.clock.Now().UTC(), time.Time{} // an older file has no dates: its key counts as new
	for name, into := range map[string]*time.Time{headerMade: &key.made, headerRetired: &key.retired} {
		if text := block.Headers[name]; text != "" {
			if *into, err = time.Parse(time.RFC3339, text); err != nil {
				return signingKey{}, err
			}
		}
	}
	return key, nil
}

func newSigningKey(private *ecdsa.PrivateKey) (signingKey, error) {
	key := signingKey{private: private, public: jose.JSONWebKey{Key: &private.PublicKey, Algorithm: string(jose.ES256), Use: "sig"}}
	thumbprint, err := key.public.Thumbprint(crypto.SHA256)
	if err != nil {
		return key, err
	}
	key.public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	with := jose.JSONWebKey{Key: private, Algorithm: string(jose.ES256), KeyID: key.public.KeyID}
	key.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: with}, (&jose.SignerOptions{}).WithType("JWT"))
	return key, err
}

// Rotate creates a new key that signs from now on. The previous one is accepted until the last of its tokens has expired. With
// forget it is rejected at once: for a key that has leaked.
func (k *Keys) Rotate(forget bool) error {
	k.fresh()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rotate(forget)
}

func (k *Keys) rotate(forget bool) error {
	private, err := generateKey()
	if err != nil {
		return err
	}
	key, err := newSigningKey(private)
	if err != nil {
		return err
	}
	now := k.clock.Now().UTC().Truncate(time.Second)
	key.made = now
	next := []signingKey{key}
	for _, old := range k.list {
		if old.retired.IsZero() {
			old.retired = now
		}
		if !forget && old.accepted(now) {
			next = append(next, old)
		}
	}
	if err := k.write(next); err != nil {
		return err
	}
	k.list = next
	return nil
}

// write stores the keys before any of them signs: a key must exist on disk as long as its tokens are valid.
func (k *Keys) write(list []signingKey) error {
	var text strings.Builder
	for _, key := range list {
		block, err := keyBlock(key.private)
		if err != nil {
			return err
		}
		block.Headers = map[string]string{headerMade: key.made.Format(time.RFC3339)}
		if !key.retired.IsZero() {
			block.Headers[headerRetired] = key.retired.Format(time.RFC3339)
		}
		if err := pem.Encode(&text, block); err != nil {
			return err
		}
	}
	if k.share != nil {
		if err := k.share([]byte(text.String())); err != nil {
			return fmt.Errorf("share the signing keys: %w", err)
		}
	}
	if err := disk.Write(k.path, []byte(text.String()), disk.Secret); err != nil {
		return fmt.Errorf("write the signing keys: %w", err)
	}
	return nil
}

func (s signingKey) accepted(now time.Time) bool {
	return s.retired.IsZero() || now.Before(s.retired.Add(keyOverlap))
}

// signer is the key that signs now. After keyLife a new key replaces it; if that cannot be stored, on a full disk, the old one
// continues to sign.
func (k *Keys) signer() jose.Signer {
	k.fresh()
	now := k.clock.Now()
	k.mu.RLock()
	key := k.list[0]
	k.mu.RUnlock()
	if now.Sub(key.made) < keyLife {
		return key.signer
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.list[0].made.Equal(key.made) { // no other request has replaced it
		_ = k.rotate(false)
	}
	return k.list[0].signer
}

// find is the public key with an id; nil when there is none that is accepted.
func (k *Keys) find(id string) *ecdsa.PublicKey {
	k.fresh()
	now := k.clock.Now()
	k.mu.RLock()
	defer k.mu.RUnlock()
	i := slices.IndexFunc(k.list, func(s signingKey) bool { return s.public.KeyID == id && s.accepted(now) })
	if i < 0 {
		return nil
	}
	return &k.list[i].private.PublicKey
}

// public is the key set for clients that verify tokens themselves.
func (k *Keys) public() jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for _, key := range k.live() {
		set.Keys = append(set.Keys, key.public)
	}
	return set
}

// List is the keys whose tokens are accepted.
func (k *Keys) List() []KeyInfo {
	var all []KeyInfo
	for _, key := range k.live() {
		all = append(all, KeyInfo{ID: key.public.KeyID, Made: key.made, Retired: key.retired, Signs: key.retired.IsZero()})
	}
	return all
}

func (k *Keys) live() []signingKey {
	k.fresh()
	now := k.clock.Now()
	k.mu.RLock()
	defer k.mu.RUnlock()
	return slices.DeleteFunc(slices.Clone(k.list), func(s signingKey) bool { return !s.accepted(now) })
}
