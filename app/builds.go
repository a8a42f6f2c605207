package app

import (
	"io"
	"path/filepath"
	"sync"

	"berth.dev/berth/images"
	"berth.dev/berth/provider/local"
)

// builderImage is the image of the program that builds images of Dockerfiles. Nodes get it with the first one that is built.
const builderImage = images.OwnHost + "/build:1"

// builds keeps the images that are built of Dockerfiles, among those of the server.
type builds struct {
	server *server

	lock sync.Mutex
	kept bool // the image of the builder, by this server
}

// Builder implements serving.Builds.
func (b *builds) Builder() (string, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	if b.kept {
		return builderImage, nil
	}
	kube, err := local.FindBinary(b.server.config.KubeBinary)
	if err != nil {
		return "", err
	}
	if err := b.server.images.KeepProgram(builderImage, filepath.Join(filepath.Dir(kube), "nodes", "berth-build")); err != nil {
		return "", err
	}
	b.kept = true
	return builderImage, nil
}

// Has implements serving.Builds.
func (b *builds) Has(name string) (bool, error) { return b.server.images.Has(name) }

// Take implements serving.Builds.
func (b *builds) Take(name string, archive io.Reader) error {
	return b.server.images.Take(name, archive)
}
