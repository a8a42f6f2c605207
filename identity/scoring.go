package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth/disk"
)

// ScoringKeyFile is the file of ScoringKeys in a data folder.
const ScoringKeyFile = "scoring-key.pem"

// Times of a scoring token: the SDK asks for a new one after the first, and tokens are good twelve hours longer (AksWebservice.get_token).
const (
	ScoringRefresh = 12 * time.Hour
	ScoringLife    = 24 * time.Hour
)

// ScoringKeys sign the tokens with which services are called. They are not those of the authority: its tokens may name any audience, so
// that whoever signs in could make a token for any service.
type ScoringKeys struct {
	clock  clockwork.Clock
	signer jose.Signer
	public json.RawMessage // a JSON Web Key Set
}

// LoadOrMakeScoringKeys reads the key in dir, or makes one.
func LoadOrMakeScoringKeys(dir string, clock clockwork.Clock) (*ScoringKeys, error) {
	path := filepath.Join(dir, ScoringKeyFile)
	text, err := disk.Read(path, disk.Secret)
	if errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		if err := disk.Write(path, text, disk.Secret); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is damaged: it is no PEM; restore it from a backup, or remove it: tokens of services are then asked for "+
			"anew", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, isEd := parsed.(ed25519.PrivateKey)
	if err != nil || !isEd {
		return nil, fmt.Errorf("%s is damaged: it holds no Ed25519 key; restore it from a backup, or remove it: tokens of services are then "+
			"asked for anew", path)
	}
	return newScoringKeys(key, clock)
}

func newScoringKeys(key ed25519.PrivateKey, clock clockwork.Clock) (*ScoringKeys, error) {
	public := key.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(public)
	id := hex.EncodeToString(sum[:8])
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, options)
	if err != nil {
		return nil, err
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: id, Algorithm: string(jose.EdDSA), Use: "sig"}}})
	return &ScoringKeys{clock: clock, signer: signer, public: set}, err
}

// Public is the key set that verifies the tokens.
func (k *ScoringKeys) Public() json.RawMessage { return k.public }

// Token is a token for one service and one caller, and when it was made.
func (k *ScoringKeys) Token(audience, caller string) (token string, made time.Time, err error) {
	made = k.clock.Now()
	payload, err := json.Marshal(map[string]any{"aud": audience, "sub": caller, "iat": made.Unix(), "nbf": made.Unix(),
		"exp": made.Add(ScoringLife).Unix()})
	if err != nil {
		return "", made, err
	}
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", made, err
	}
	token, err = signed.CompactSerialize()
	return token, made, err
}
