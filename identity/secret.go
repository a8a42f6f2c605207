package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

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
)

// hashing limits how many secrets are hashed at once, and with it the memory that unauthenticated requests can use.
var hashing = make(chan struct{}, 2)

// NewSecret creates a client secret of 255 random bits, in characters that need no escaping in forms, headers or shells.
func NewSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: it ends the program instead
	b[0] &= 0x7f // the first character is a letter then: command lines take a secret that begins with '-' for an option
	return base64.RawURLEncoding.EncodeToString(b)
}

// HashSecret is the stored form of a client secret: argon2id with a salt of its own, in PHC form.
func HashSecret(secret string) string {
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
