// Package bundle brings files into the pods of a cluster: a store of files by their digest, which Berth fills through the API server, and
// the program that fetches them in a pod. Neither needs a way from the cluster to Berth.
package bundle

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// HeaderToken carries the token by which Berth writes. What is in Authorization does not pass the API server.
const HeaderToken = "Berth-Token"

// List is what a pod fetches.
type List struct {
	From  string `json:"from"` // the address of the store
	Files []File `json:"files"`
}

// File is one file of a pod.
type File struct {
	Path   string `json:"path"`   // below the folder; with Unpack the folder into which it is unpacked
	Digest string `json:"digest"` // SHA-256 in hexadecimal digits
	Size   int64  `json:"size"`
	Unpack bool   `json:"unpack,omitempty"` // it is an archive: tar, tar.gz or zip
}

// Part is how far a file has come.
type Part struct {
	Digest string `json:"digest"`
	Offset int64  `json:"offset"`
}

// Bounds of a list, and of what a store takes.
const (
	MaxFiles = 20_000
	MaxSize  = 64 << 30 // of one file, and of what is unpacked of it
)

// Check says what is wrong with a list.
func (l *List) Check() error {
	if len(l.Files) > MaxFiles {
		return fmt.Errorf("there are %d files; at most %d are possible", len(l.Files), MaxFiles)
	}
	for _, f := range l.Files {
		switch {
		case !isDigest(f.Digest):
			return fmt.Errorf("the digest of the file %q is not SHA-256 in hexadecimal digits", f.Path)
		case f.Size < 0 || f.Size > MaxSize:
			return fmt.Errorf("the file %q has %d bytes; at most %d are possible", f.Path, f.Size, int64(MaxSize))
		case !f.Unpack && f.Path == "":
			return errors.New("a file has no path")
		}
		if _, err := local(f.Path); err != nil {
			return err
		}
	}
	return nil
}

// local is a path as it is below a folder; an error for one that leads out of it.
func local(path string) (string, error) {
	clean := filepath.Clean(filepath.FromSlash(strings.TrimSuffix(path, "/")))
	if !filepath.IsLocal(clean) || strings.ContainsRune(path, 0) || strings.Contains(path, `\`) {
		return "", fmt.Errorf("the path %q leads out of the folder", path)
	}
	return clean, nil
}

func isDigest(s string) bool {
	sum, err := hex.DecodeString(s)
	return err == nil && len(sum) == 32 && s == strings.ToLower(s)
}
