package images

import (
	"context"
	"errors"
	"net/http"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociauth"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// foreign is what a request of a node sees that asks on behalf of another registry: the images of the store, and what upstreams have.
type foreign struct {
	registry
	RegistryOptions
	login ociauth.ConfigEntry // of the pod, for that registry
}

// forNode is what a node sees.
func (s *Store) forNode(o RegistryOptions, r *http.Request) ociregistry.Interface {
	here := registry{store: s, namespace: r.URL.Query().Get("ns"), own: o.Own, node: true}
	if o.Upstreams == nil || here.namespace == "" || o.Own(here.namespace) {
		return here
	}
	f := foreign{registry: here, RegistryOptions: o}
	f.login.Username, f.login.Password, _ = r.BasicAuth()
	return f
}

// orElse asks elsewhere for what is not here. What is nowhere the node asks of the registry itself, whose reasons are the better ones.
func orElse[T any](f foreign, missing ociregistry.Error, here func() (T, error), elsewhere func() (T, error)) (T, error) {
	found, err := here()
	if !errors.Is(err, missing) {
		return found, err
	}
	if found, err = elsewhere(); err == nil || errors.Is(err, context.Canceled) {
		return found, err
	}
	var status ociregistry.HTTPError
	if errors.As(err, &status) && status.StatusCode() == http.StatusUnauthorized && f.login == (ociauth.ConfigEntry{}) {
		return found, ociregistry.ErrUnauthorized // the node then sends what its pod has
	}
	if f.Upstreams.mirrored(f.namespace) {
		f.Log.Warn("no mirror has what a node asks for", "registry", f.namespace, "error", err)
	}
	return found, ociregistry.NewError(err.Error(), missing.Code(), nil)
}

func (f foreign) origin(repo string) origin { return origin{f.namespace, repo, f.login} }

// ResolveTag answers which manifest has a name: here, else at a mirror.
func (f foreign) ResolveTag(ctx context.Context, repo, tag string) (ocispec.Descriptor, error) {
	return orElse(f, ociregistry.ErrManifestUnknown,
		func() (ocispec.Descriptor, error) { return f.registry.ResolveTag(ctx, repo, tag) },
		func() (ocispec.Descriptor, error) { return f.Upstreams.resolve(ctx, f.origin(repo), tag) })
}

// GetTag reads it.
func (f foreign) GetTag(ctx context.Context, repo, tag string) (ociregistry.BlobReader, error) {
	return orElse(f, ociregistry.ErrManifestUnknown,
		func() (ociregistry.BlobReader, error) { return f.registry.GetTag(ctx, repo, tag) },
		func() (ociregistry.BlobReader, error) { return f.Upstreams.manifest(ctx, f.origin(repo), tag) })
}

// ResolveManifest answers for a manifest by its digest: here, else at a mirror.
func (f foreign) ResolveManifest(ctx context.Context, repo string, d digest.Digest) (ocispec.Descriptor, error) {
	return orElse(f, ociregistry.ErrManifestUnknown,
		func() (ocispec.Descriptor, error) { return f.registry.ResolveManifest(ctx, repo, d) },
		func() (ocispec.Descriptor, error) { return f.Upstreams.resolve(ctx, f.origin(repo), d.String()) })
}

// GetManifest reads it.
func (f foreign) GetManifest(ctx context.Context, repo string, d digest.Digest) (ociregistry.BlobReader, error) {
	return orElse(f, ociregistry.ErrManifestUnknown,
		func() (ociregistry.BlobReader, error) { return f.registry.GetManifest(ctx, repo, d) },
		func() (ociregistry.BlobReader, error) { return f.Upstreams.manifest(ctx, f.origin(repo), d.String()) })
}

// GetBlob reads a blob.
func (f foreign) GetBlob(ctx context.Context, repo string, d digest.Digest) (ociregistry.BlobReader, error) {
	return f.GetBlobRange(ctx, repo, d, 0, -1)
}

// GetBlobRange reads a part of one: here, else from the other registry, which is asked once for all nodes of all clusters.
func (f foreign) GetBlobRange(ctx context.Context, repo string, d digest.Digest, from, to int64) (ociregistry.BlobReader, error) {
	if !usable(d) {
		return nil, ociregistry.ErrDigestInvalid
	}
	return orElse(f, ociregistry.ErrBlobUnknown,
		func() (ociregistry.BlobReader, error) { return f.registry.GetBlobRange(ctx, repo, d, from, to) },
		func() (ociregistry.BlobReader, error) {
			return f.Upstreams.blob(ctx, f.origin(repo), d, [2]int64{from, to})
		})
}
