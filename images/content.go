package images

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The media types of Docker that mean the same as those of OCI.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Descriptor says what a blob is.
type Descriptor = ocispec.Descriptor

func isManifest(kind string) bool {
	return kind == ocispec.MediaTypeImageManifest || kind == dockerManifest
}
func isIndex(kind string) bool { return kind == ocispec.MediaTypeImageIndex || kind == dockerIndex }

// maxDepth bounds indexes in indexes: one for platforms is usual.
const maxDepth = 3

// described is what a manifest or an index says of the blobs below it.
type described struct {
	MediaType string               `json:"mediaType"`
	Config    *ocispec.Descriptor  `json:"config"`
	Layers    []ocispec.Descriptor `json:"layers"`
	Manifests []ocispec.Descriptor `json:"manifests"`
}

// errNoManifest is what is neither a manifest nor an index.
var errNoManifest = errors.New("it is neither a manifest of an image nor an index of such")

// describe reads a manifest or an index of a media type.
func describe(text []byte, kind string) (described, error) {
	var d described
	if err := json.Unmarshal(text, &d); err != nil {
		return d, err
	}
	usableAll := !slices.ContainsFunc(d.below(), func(b ocispec.Descriptor) bool { return !usable(b.Digest) })
	switch {
	case d.MediaType != "" && d.MediaType != kind, !usableAll:
	case d.Config != nil && d.Config.Size > maxManifest: // nodes read it whole
	case isManifest(kind) && d.Config != nil, isIndex(kind) && d.Config == nil && d.Layers == nil:
		return d, nil
	}
	return d, errNoManifest
}

// kind is its media type. Older ones of OCI do not name it.
func (d described) kind() string {
	if d.Config == nil {
		return cmp.Or(d.MediaType, ocispec.MediaTypeImageIndex)
	}
	return cmp.Or(d.MediaType, ocispec.MediaTypeImageManifest)
}

// below are the blobs that belong to it.
func (d described) below() []ocispec.Descriptor {
	out := slices.Concat(d.Layers, d.Manifests)
	if d.Config != nil {
		out = append(out, *d.Config)
	}
	return out
}

// walk calls fn for a blob and all below it. An index may name manifests that are not there: nobody needs every platform.
// Each is called for once: a stranger's index may name the same one a thousand times.
func (s *Store) walk(d ocispec.Descriptor, fn func(ocispec.Descriptor) error) error {
	return s.walkFrom(d, maxDepth, map[digest.Digest]bool{}, fn)
}

func (s *Store) walkFrom(d ocispec.Descriptor, depth int, seen map[digest.Digest]bool, fn func(ocispec.Descriptor) error) error {
	if seen[d.Digest] {
		return nil
	}
	seen[d.Digest] = true
	if err := fn(d); err != nil || depth == 0 || !isManifest(d.MediaType) && !isIndex(d.MediaType) {
		return err
	}
	text, err := s.read(d.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // fn knows
	}
	if err != nil {
		return err
	}
	is, err := describe(text, d.MediaType)
	if err != nil {
		return err
	}
	for _, b := range is.below() {
		if err := s.walkFrom(b, depth-1, seen, fn); err != nil {
			return err
		}
	}
	return nil
}

// reachable are the blobs of all images in an index. What cannot be read has nothing below it.
func (s *Store) reachable(index ocispec.Index) map[digest.Digest]bool {
	out := map[digest.Digest]bool{}
	for _, d := range index.Manifests {
		_ = s.walk(d, func(b ocispec.Descriptor) error { out[b.Digest] = true; return nil })
	}
	return out
}

// errIncomplete is an image whose blobs are not all there.
var errIncomplete = errors.New("a blob of the image is not here")

// complete reports an image that lacks a blob. Of an index at least one manifest must be there.
func (s *Store) complete(d ocispec.Descriptor) error {
	var missing, manifests []string
	err := s.walk(d, func(b ocispec.Descriptor) error {
		n, err := s.size(b.Digest)
		switch {
		case errors.Is(err, fs.ErrNotExist) && (isManifest(b.MediaType) || isIndex(b.MediaType)) && b.Digest != d.Digest:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, b.Digest.String())
		case err != nil:
			return err
		case b.Size != n:
			return fmt.Errorf("%w: %s has %d bytes and should have %d", errOtherContent, b.Digest, n, b.Size)
		case isManifest(b.MediaType):
			manifests = append(manifests, b.Digest.String())
		}
		return nil
	})
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("%w: %s", errIncomplete, strings.Join(missing, ", "))
	}
	if err == nil && len(manifests) == 0 {
		err = fmt.Errorf("%w: none of its manifests", errIncomplete)
	}
	return err
}

// manifests are the manifests of an image: one, or those of its platforms that are here.
func (s *Store) manifests(d ocispec.Descriptor) (out []ocispec.Manifest, err error) {
	err = s.walk(d, func(b ocispec.Descriptor) error {
		if !isManifest(b.MediaType) {
			return nil
		}
		var m ocispec.Manifest
		text, err := s.read(b.Digest)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		out = append(out, m)
		return err
	})
	return out, err
}

// platformOf is what an image runs on, by its configuration.
func (s *Store) platformOf(m ocispec.Manifest) (p ocispec.Platform, err error) {
	text, err := s.read(m.Config.Digest)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err
}
