package template

import (
	"encoding/base32"
	"encoding/binary"
	"math/bits"
	"strings"

	"github.com/google/uuid"
)

// namespace is the namespace of the GUIDs that Azure's guid() computes from names
// (https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions-string#guid).
var namespace = uuid.MustParse("11fb06fb-712d-4ddd-98c7-e71bbd588830")

// guid is Azure's value for the same arguments: a UUID of version 5.
func guid(_ *env, args []any) (any, error) {
	all, err := texts(args)
	if err != nil {
		return nil, err
	}
	return uuid.NewSHA1(namespace, []byte(strings.Join(all, "-"))).String(), nil
}

// uniqueString is Azure's value for the same arguments: a hash in 13 letters and digits.
func uniqueString(_ *env, args []any) (any, error) {
	all, err := texts(args)
	if err != nil {
		return nil, err
	}
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], murmur64(strings.Join(all, "-")))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])), nil
}

// murmur64 is a MurmurHash3 of two lanes of 32 bits, with the seed 0. None of the published 64-bit variants has its values.
func murmur64(text string) uint64 {
	var low, high uint32
	rest := []byte(text)
	for ; len(rest) >= 8; rest = rest[8:] {
		low = (bits.RotateLeft32(low^murmurLow(rest), 19)+high)*5 + 0x561ccd1b
		high = (bits.RotateLeft32(high^murmurHigh(rest[4:]), 13)+low)*5 + 0x0bcaa747
	}
	tail := make([]byte, 8) // zeros add nothing
	copy(tail, rest)
	size := uint32(len(text)) //nolint:gosec // a text has at most maxText bytes
	low ^= murmurLow(tail) ^ size
	high ^= murmurHigh(tail[4:]) ^ size
	low += high
	high += low
	low, high = murmurEnd(low), murmurEnd(high)
	low += high
	high += low
	return uint64(high)<<32 | uint64(low)
}

const murmurFirst, murmurSecond = 0x239b961b, 0xab0e9789

func murmurLow(b []byte) uint32 {
	return bits.RotateLeft32(binary.LittleEndian.Uint32(b)*murmurFirst, 15) * murmurSecond
}

func murmurHigh(b []byte) uint32 {
	return bits.RotateLeft32(binary.LittleEndian.Uint32(b)*murmurSecond, 17) * murmurFirst
}

func murmurEnd(n uint32) uint32 {
	n = (n ^ n>>16) * 0x85ebca6b
	n = (n ^ n>>13) * 0xc2b2ae35
	return n ^ n>>16
}
