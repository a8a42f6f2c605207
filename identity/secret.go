package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

// The cost of one guess at a secret: of the pairs that OWASP's password storage sheet names as equally good for argon2id the
// one with the least memory, 7 MiB and five passes. It takes about 20 ms.
const (
	hashMemory = 7 << 10 // KiB
	hashPasses = 5
	hashSalt   = 16
	hashLength = 32
	hintLength = 3 // as Microsoft Graph

	secretBytes = 32
	fastPrefix  = "$sha256$" // of the stored form of a secret of NewSecret
)

// hashing limits how many secrets are hashed at once, and with it the memory that unauthenticated requests can use.
var hashing = make(chan struct{}, 2)

// NewSecret creates a client secret of 255 random bits, in characters that need no escaping in forms, headers or shells.
func NewSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b) // never fails: it ends the program instead
	b[0] &= 0x7f // the first character is a letter then: command lines take a secret that begins with '-' for an option
	return base64.RawURLEncoding.EncodeToString(b)
}

// HashSecret is the stored form of a client secret. Nobody can guess one of NewSecret, so that a fast hash is enough for it, as for
// tokens; others, which an operator may have chosen, are hashed as passwords are.
func HashSecret(secret string) string {
	if b, err := base64.RawURLEncoding.DecodeString(secret); err != nil || len(b) != secretBytes {
		return hashPassword(secret)
	}
	return fastPrefix + hashToken(secret)
}

// hashPassword is the stored form of a text that somebody may guess: argon2id with a salt of its own, in PHC form.
func hashPassword(secret string) string {
	salt := make([]byte, hashSalt)
	rand.Read(salt) // never fails: see NewSecret
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, hashMemory, hashPasses,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(stretch(secret, salt, hashMemory, hashPasses)))
}

func stretch(secret string, salt []byte, memory, passes uint32) []byte {
	hashing <- struct{}{}
	defer func() { <-hashing }()
	return argon2.IDKey([]byte(secret), salt, passes, memory, 1, hashLength)
}

// secretMatches reports whether a secret is the one that was hashed. A hash that cannot be read matches nothing.
func secretMatches(hash, secret string) bool {
	if fast, is := strings.CutPrefix(hash, fastPrefix); is {
		return subtle.ConstantTimeCompare([]byte(fast), []byte(hashToken(secret))) == 1
	}
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false
	}
	var memory, passes uint32
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=1", &memory, &passes); n != 2 || err != nil || memory > 1<<20 || passes == 0 ||
		passes > 64 {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(want) != hashLength {
		return false
	}
	return subtle.ConstantTimeCompare(stretch(secret, salt, memory, passes), want) == 1
}

// hint is the beginning of a secret, which is shown so that people can distinguish secrets.
func hint(secret string) string { return secret[:min(hintLength, len(secret))] }

// provenSecrets remembers secrets that matched a slow hash, so that they match at once the next time. It keeps their hashes. The zero
// value is ready.
type provenSecrets struct {
	mu  sync.Mutex
	all map[string][sha256.Size]byte // by the slow hash
}

const maxProven = 4096

// matches is what secretMatches is. When it would take a slow hash, and slowly is false, it is false for a secret not seen before.
func (k *provenSecrets) matches(hash, secret string, slowly bool) bool {
	if strings.HasPrefix(hash, fastPrefix) {
		return secretMatches(hash, secret)
	}
	sum := sha256.Sum256([]byte(secret))
	k.mu.Lock()
	before, seen := k.all[hash]
	k.mu.Unlock()
	if seen && subtle.ConstantTimeCompare(before[:], sum[:]) == 1 {
		return true
	}
	if !slowly || !secretMatches(hash, secret) {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil || len(k.all) >= maxProven {
		k.all = map[string][sha256.Size]byte{}
	}
	k.all[hash] = sum
	return true
}
