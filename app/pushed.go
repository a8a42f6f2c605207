package app

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/images"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/serving"
)

// pushed are the images that connected clusters pull: those of this server, in a registry that the clusters reach. They are pushed when
// they are needed first.
type pushed struct {
	registry, kube string // --image-registry, --kube-binary
	store          *images.Store
	python         func() (string, error) // the name of the image of Python; empty when there is none

	lock  sync.Mutex
	names map[string]string // in the registry, by those in the store
}

// pushTime bounds a push: a registry may fall silent.
const pushTime = 10 * time.Minute

// pushedImages is nil without a registry: the nodes of connected clusters have the images then, or do not.
func (s *server) pushedImages() func(context.Context, bool) (serving.Images, error) {
	if s.config.ImageRegistry == "" {
		return nil
	}
	p := &pushed{registry: s.config.ImageRegistry, kube: s.config.KubeBinary, store: s.images, names: map[string]string{},
		python: func() (string, error) { return ImportedPython(s.config.DataDir) }}
	return p.images
}

// images pushes what the registry lacks.
func (p *pushed) images(ctx context.Context, python bool) (out serving.Images, err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	out.FE, err = p.once(serving.FEImage, func() (string, error) {
		kube, err := local.FindBinary(p.kube)
		if err != nil {
			return "", err
		}
		return images.PushProgram(ctx, filepath.Join(filepath.Dir(kube), "nodes", "berth-fe"), serving.FEImage, p.registry)
	})
	if err != nil || !python {
		return out, err
	}
	name, err := p.python()
	if err == nil && name == "" {
		err = berth.Errorf(berth.CodeProviderUnavailable, "There is no image in which Python runs. Make it with 'berth image build'.")
	}
	if err != nil {
		return out, err
	}
	out.Python, err = p.once(name, func() (string, error) { return p.store.Push(ctx, name, p.registry) })
	return out, err
}

// once pushes an image, unless this server has done it.
func (p *pushed) once(image string, push func() (string, error)) (string, error) {
	if name := p.names[image]; name != "" {
		return name, nil
	}
	name, err := push()
	if err == nil {
		p.names[image] = name
	}
	return name, err
}
