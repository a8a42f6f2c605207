package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"berth.dev/berth/disk"
)

const keyType = "PRIVATE KEY"

func generateKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func keyBlock(key *ecdsa.PrivateKey) (*pem.Block, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return &pem.Block{Type: keyType, Bytes: der}, err
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := generateKey()
	if err != nil {
		return nil, err
	}
	block, err := keyBlock(key)
	if err != nil {
		return nil, err
	}
	if err := disk.Write(path, pem.EncodeToMemory(block), disk.Secret); err != nil {
		return nil, fmt.Errorf("write a new key: %w", err)
	}
	return key, nil
}

// loadKey reads a P-256 key; remedy is the alternative to restoring a damaged one.
func loadKey(path, remedy string) (*ecdsa.PrivateKey, error) {
	data, err := disk.Read(path, disk.Secret)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	key, err := parseKey(block)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): restore it from a backup, or %s", path, err, remedy)
	}
	return key, nil
}

func parseKey(block *pem.Block) (*ecdsa.PrivateKey, error) {
	if block == nil || block.Type != keyType {
		return nil, errors.New("no PEM block PRIVATE KEY in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not an ECDSA P-256 key")
	}
	return key, nil
}
