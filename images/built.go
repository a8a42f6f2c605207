package images

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"berth.dev/berth"
)

// Has reports whether there is an image of a whole name.
func (s *Store) Has(name string) (bool, error) {
	_, err := s.find(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Take keeps the image of an archive that somebody else has written, who is not trusted: it must be the only one, and have this name.
// Nodes have it some seconds later. A *berth.Error says what is wrong with the archive.
func (s *Store) Take(name string, archive io.Reader) error {
	f, err := os.CreateTemp(s.uploads(), "put-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	n, err := io.Copy(roomy{f, s}, io.LimitReader(archive, maxBlob+1))
	if err == nil && n > maxBlob {
		err = fmt.Errorf("%w: at most %d bytes", errTooLarge, int64(maxBlob))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = s.importFile(f.Name(), func(all []ocispec.Descriptor) error {
		if len(all) != 1 || nameOf(all[0]) != name {
			return berth.Errorf(berth.CodeBadRequest, "The archive holds other images than %s.", name)
		}
		return nil
	})
	return err
}

// KeepProgram makes an image of one static program, unless there is just this one.
func (s *Store) KeepProgram(name, program string) error {
	image, err := programImage(program)
	if err != nil {
		return err
	}
	is, err := image.Digest()
	if err != nil {
		return err
	}
	if have, err := s.find(name); err == nil && have.Digest.String() == is.String() {
		return nil
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	layer, err := layers[0].Compressed()
	if err != nil {
		return err
	}
	_, err = s.put(layer, "")
	if err = errors.Join(err, layer.Close()); err != nil {
		return err
	}
	var d ocispec.Descriptor
	for _, part := range []func() ([]byte, error){image.RawConfigFile, image.RawManifest} {
		text, err := part()
		if err != nil {
			return err
		}
		if d, err = s.put(bytes.NewReader(text), ""); err != nil {
			return err
		}
	}
	kind, err := image.MediaType()
	if err != nil {
		return err
	}
	d.MediaType, d.Annotations = string(kind), map[string]string{ocispec.AnnotationRefName: name}
	return s.set(d)
}
