package images

import (
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"berth.dev/berth"
)

// Image is one image, with all names that it has.
type Image struct {
	Names    []string  `json:"names"`
	Digest   string    `json:"digest"`   // of its manifest, by which NAME@DIGEST means it
	Size     int64     `json:"size"`     // of its blobs, in bytes
	ID       string    `json:"id"`       // the first digits of the digest of its configuration, as engines show it
	Imported time.Time `json:"imported"` // when it, or its latest name, came
	Nodes    []string  `json:"nodes"`    // that have it under all its names: group/cluster/node
}

// idLength is how many digits of a digest people see.
const idLength = 12

// List are the images, the newest first.
func (s *Store) List() ([]Image, error) {
	index, err := s.index()
	if err != nil {
		return nil, err
	}
	byDigest := map[digest.Digest]Image{}
	for _, d := range index.Manifests {
		image, there := byDigest[d.Digest]
		if !there {
			if image, err = s.show(d); err != nil {
				return nil, err
			}
		}
		image.Names = append(image.Names, nameOf(d))
		if at, err := time.Parse(time.RFC3339Nano, d.Annotations[importedAnnotation]); err == nil && at.After(image.Imported) {
			image.Imported = at
		}
		byDigest[d.Digest] = image
	}
	out := make([]Image, 0, len(byDigest))
	for _, image := range byDigest {
		slices.Sort(image.Names)
		out = append(out, image)
	}
	slices.SortFunc(out, func(a, b Image) int { return b.Imported.Compare(a.Imported) })
	return out, nil
}

// show describes an image without its names.
func (s *Store) show(d ocispec.Descriptor) (Image, error) {
	image := Image{Digest: d.Digest.String(), Nodes: []string{}, Imported: time.Now().UTC()}
	if at, err := time.Parse(time.RFC3339Nano, d.Annotations[importedAnnotation]); err == nil {
		image.Imported = at
	}
	if err := s.walk(d, func(b ocispec.Descriptor) error {
		if n, err := s.size(b.Digest); err == nil {
			image.Size += n
		}
		return nil
	}); err != nil {
		return image, err
	}
	all, err := s.manifests(d)
	if err != nil {
		return image, err
	}
	for _, m := range all {
		if p, err := s.platformOf(m); image.ID == "" || err == nil && fits(p, "") == nil {
			image.ID = m.Config.Digest.Encoded()[:idLength]
		}
	}
	return image, nil
}

// Remove takes an image away by one of its names, or all its names by its id. Nodes forget it some seconds later; containers that run on
// it go on.
func (s *Store) Remove(name string) error {
	all, err := s.List()
	if err != nil {
		return err
	}
	gone := []string{}
	for _, image := range all {
		switch {
		case image.ID == name:
			gone = append(gone, image.Names...)
		case slices.Contains(image.Names, name):
			gone = append(gone, name)
		case slices.Contains(image.Names, wholeName(name)):
			gone = append(gone, wholeName(name))
		}
	}
	if len(gone) == 0 {
		return berth.Errorf(berth.CodeNotFound, "There is no image '%s'. 'berth image list' shows those that there are.", name)
	}
	return s.drop(func(d ocispec.Descriptor) bool { return slices.Contains(gone, nameOf(d)) })
}

// wholeName is a name as Kubernetes understands it: "python" is docker.io/library/python:latest.
func wholeName(name string) string {
	first, rest, several := strings.Cut(name, "/")
	if !several {
		name = "docker.io/library/" + name
	} else if !strings.ContainsAny(first, ".:") && first != "localhost" {
		name = "docker.io/" + first + "/" + rest
	}
	if !strings.ContainsAny(name[strings.LastIndex(name, "/"):], ":@") {
		name += ":latest"
	}
	return name
}
