package images

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ocifilter"
	"cuelabs.dev/go/oci/ociregistry/ociref"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"berth.dev/berth"
)

// Path is what the addresses of a registry begin with (OCI distribution specification).
const Path = "/v2/"

// OwnHost is the host in the names of images that are pushed without one: team/model becomes berth.dev/team/model.
const OwnHost = "berth.dev"

// BuiltPrefix begins the names of the images that Berth builds of Dockerfiles.
const BuiltPrefix = OwnHost + "/built/"

// RegistryOptions configure a registry.
type RegistryOptions struct {
	Log      *slog.Logger
	ReadOnly bool // for nodes, which only pull what they can run
	// Own reports whether a host and port, as they stand in the name of an image, mean this registry itself.
	Own func(host string) bool
	// Upstreams are asked for what nodes want of other registries; nil: they ask themselves.
	Upstreams *Upstreams
}

// Registry serves the images by the OCI distribution protocol. The repository of an image is its whole name: example.com/model. To a
// request of a node, which asks on behalf of another registry (ns=example.com), the name there is enough. Who may ask is not its business.
func (s *Store) Registry(o RegistryOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := &call{RegistryOptions: o, body: r.Body}
		if strings.Contains(r.URL.Path, "/manifests/") {
			call.left = maxManifest
			r.Body = call
		}
		var backend ociregistry.Interface = registry{store: s, own: o.Own}
		if o.ReadOnly {
			backend = ocifilter.ReadOnly(s.forNode(o, r))
		}
		ociserver.New(backend, &ociserver.Options{MaxListPageSize: maxNames, WriteError: call.refuse}).ServeHTTP(w, r)
	})
}

// call is one request. As the body of a manifest it has its bounds.
type call struct {
	RegistryOptions
	body   io.ReadCloser
	left   int
	failed error // of the body
}

var errLargeManifest = ociregistry.NewError("a manifest has at most 4 MiB", "SIZE_INVALID", nil)

// Read reads the body.
func (c *call) Read(p []byte) (int, error) {
	n, err := c.body.Read(p)
	if c.left -= n; c.left < 0 {
		err = errLargeManifest
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.failed = err
	}
	return n, err
}

// Close ends the body.
func (c *call) Close() error { return c.body.Close() }

// refuse answers what the protocol has words for. The rest is the server's own business.
func (c *call) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var known ociregistry.Error
	var status ociregistry.HTTPError
	switch {
	case c.failed != nil:
		err = c.failed
		if !errors.As(err, &known) { // the client has gone
			err = ociregistry.ErrSizeInvalid
		}
	case r.Context().Err() != nil: // the same
	case errors.Is(err, ociregistry.ErrUnauthorized):
		w.Header().Set("WWW-Authenticate", `Basic realm="the registry of the image"`)
	case !errors.As(err, &known) && !errors.As(err, &status):
		c.Log.Error("the registry of images failed", "method", r.Method, "path", r.URL.Path, "error", err)
		err = errors.New("the server could not do this; its log says why")
	}
	_ = ociregistry.WriteError(w, err) // an error means that the client has disconnected
}

// registry is what one request sees of a store.
type registry struct {
	*ociregistry.Funcs // what is not below is not supported
	store              *Store
	namespace          string
	own                func(host string) bool
	node               bool // a node asks
}

// whole is the name of a repository with its host.
func (r registry) whole(repo string) string {
	if r.node && r.namespace != "" && !r.own(r.namespace) {
		return r.namespace + "/" + repo
	}
	if host, _, several := strings.Cut(repo, "/"); several && (strings.Contains(host, ".") || host == "localhost") {
		return repo
	}
	return OwnHost + "/" + repo
}

// maxName bounds the whole name of an image: the index has all names, and nodes read it.
const maxName = 500

// writable judges a name that a request is about to give or to take away. What Berth itself runs under a name of its own is no client's to
// change; its base images of Python come by 'berth image build' and 'berth image import'.
func (r registry) writable(repo, tag string) error {
	name := r.whole(repo)
	switch {
	case len(name)+len(tag) > maxName:
		return refused(ociregistry.ErrNameInvalid, fmt.Errorf("the name of an image has at most %d characters", maxName))
	case Internal(name), name == OwnHost+"/python", strings.HasPrefix(name, BuiltPrefix):
		return refused(ociregistry.ErrDenied, fmt.Errorf("%s is the name of an image of Berth; choose another name", name))
	}
	return nil
}

// Internal reports whether an image, by its name without or with a tag, is one that Berth itself runs.
func Internal(name string) bool {
	part, isOwn := strings.CutPrefix(repositoryOf(name), OwnHost+"/")
	return isOwn && slices.Contains([]string{"pause", "hello", "fe", "build"}, part)
}

// unknown is an error as the protocol has it, if it means that something is not there.
func unknown(err, of error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return of
	}
	return err
}

// blobType is what the protocol says that a blob is.
const blobType = "application/octet-stream"

// blobReader is a file with what the protocol says of it.
type blobReader struct {
	io.Reader
	io.Closer
	is ocispec.Descriptor
}

// Descriptor says what is read.
func (b blobReader) Descriptor() ocispec.Descriptor { return b.is }

// ResolveBlob answers for a blob of whichever image: who may ask for one may ask for all.
func (r registry) ResolveBlob(_ context.Context, _ string, d digest.Digest) (ocispec.Descriptor, error) {
	n, err := r.store.size(d)
	return ocispec.Descriptor{MediaType: blobType, Digest: d, Size: n}, unknown(err, ociregistry.ErrBlobUnknown)
}

// GetBlob reads a blob.
func (r registry) GetBlob(ctx context.Context, repo string, d digest.Digest) (ociregistry.BlobReader, error) {
	return r.GetBlobRange(ctx, repo, d, 0, -1)
}

// GetBlobRange reads a part of a blob.
func (r registry) GetBlobRange(ctx context.Context, repo string, d digest.Digest, from, to int64) (ociregistry.BlobReader, error) {
	is, err := r.ResolveBlob(ctx, repo, d)
	if err != nil {
		return nil, err
	}
	if to < 0 || to > is.Size {
		to = is.Size
	}
	if from > to {
		return nil, ociregistry.ErrRangeInvalid
	}
	f, err := os.Open(r.store.blob(d))
	if err != nil {
		return nil, unknown(err, ociregistry.ErrBlobUnknown)
	}
	return blobReader{io.NewSectionReader(f, from, to-from), f, is}, nil
}

// ResolveTag answers which manifest has a name.
func (r registry) ResolveTag(_ context.Context, repo, tag string) (ocispec.Descriptor, error) {
	d, err := r.store.find(r.whole(repo) + ":" + tag)
	if err != nil {
		return d, unknown(err, ociregistry.ErrManifestUnknown)
	}
	return d, r.runs(d)
}

// runs tells a node that an image is for another platform: what it would run says no more than "exec format error".
func (r registry) runs(d ocispec.Descriptor) error {
	if !r.node {
		return nil
	}
	if err := r.store.runsHere(d); err != nil {
		return refused(ociregistry.ErrDenied, err)
	}
	return nil
}

// GetTag reads it.
func (r registry) GetTag(ctx context.Context, repo, tag string) (ociregistry.BlobReader, error) {
	d, err := r.ResolveTag(ctx, repo, tag)
	return r.manifest(d, err)
}

// ResolveManifest answers for a manifest of an image that has a name in whichever repository, or that was pushed here by its digest.
func (r registry) ResolveManifest(_ context.Context, _ string, d digest.Digest) (found ocispec.Descriptor, err error) {
	index, err := r.store.index()
	if err != nil {
		return found, err
	}
	for _, top := range index.Manifests {
		if top.Digest == d {
			return top, nil
		}
	}
	text, err := r.store.read(d) // one below an index says itself what it is
	if err != nil {
		return found, ociregistry.ErrManifestUnknown
	}
	var is described
	if err := json.Unmarshal(text, &is); err != nil {
		return found, ociregistry.ErrManifestUnknown
	}
	kind := is.kind()
	if _, err := describe(text, kind); err != nil {
		return found, ociregistry.ErrManifestUnknown
	}
	return ocispec.Descriptor{MediaType: kind, Digest: d, Size: int64(len(text))}, nil
}

// GetManifest reads it.
func (r registry) GetManifest(ctx context.Context, repo string, d digest.Digest) (ociregistry.BlobReader, error) {
	is, err := r.ResolveManifest(ctx, repo, d)
	return r.manifest(is, err)
}

func (r registry) manifest(d ocispec.Descriptor, err error) (ociregistry.BlobReader, error) {
	if err != nil {
		return nil, err
	}
	text, err := r.store.read(d.Digest)
	if err != nil {
		return nil, unknown(err, ociregistry.ErrManifestUnknown)
	}
	return blobReader{bytes.NewReader(text), io.NopCloser(nil), d}, nil
}

// MountBlob needs no copy: a blob is in all repositories.
func (r registry) MountBlob(ctx context.Context, _, repo string, d digest.Digest) (ocispec.Descriptor, error) {
	return r.ResolveBlob(ctx, repo, d)
}

// PushManifest gives an image its name. What it consists of must have been pushed before.
func (r registry) PushManifest(_ context.Context, repo, tag string, text []byte, kind string) (ocispec.Descriptor, error) {
	if err := r.writable(repo, tag); err != nil {
		return ocispec.Descriptor{}, err
	}
	is, err := describe(text, kind)
	if err != nil {
		return ocispec.Descriptor{}, refused(ociregistry.ErrManifestInvalid, err)
	}
	d, err := r.store.put(bytes.NewReader(text), "")
	if err != nil {
		return d, err
	}
	d.MediaType = cmp.Or(is.MediaType, kind)
	name := r.whole(repo) + ":" + tag
	if tag == "" {
		name = r.whole(repo) + "@" + d.Digest.String()
	} else if !ociref.IsValidTag(tag) {
		return d, refused(ociregistry.ErrManifestInvalid, errors.New("the tag is not valid"))
	}
	d.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	if err := r.store.set(d); err != nil {
		return d, pushFailed(err)
	}
	return d, nil
}

// pushFailed says in the protocol's words what the store says.
func pushFailed(err error) error {
	if _, told := errors.AsType[*berth.Error](err); told {
		return refused(ociregistry.ErrDenied, err)
	}
	for of, as := range map[error]error{errIncomplete: ociregistry.ErrManifestBlobUnknown, errNoManifest: ociregistry.ErrManifestInvalid,
		errOtherContent: ociregistry.ErrDigestInvalid, errTooLarge: ociregistry.ErrSizeInvalid} {
		if errors.Is(err, of) {
			return refused(as, err)
		}
	}
	return err
}

// refused is an error of the protocol with a reason.
func refused(as, why error) error {
	var e ociregistry.Error
	if !errors.As(as, &e) {
		return why
	}
	return ociregistry.NewError(why.Error(), e.Code(), nil)
}

// DeleteTag takes a name away.
func (r registry) DeleteTag(_ context.Context, repo, tag string) error {
	if err := r.writable(repo, tag); err != nil {
		return err
	}
	name := r.whole(repo) + ":" + tag
	return unknown(r.store.drop(func(d ocispec.Descriptor) bool { return nameOf(d) == name }), ociregistry.ErrManifestUnknown)
}

// DeleteManifest takes an image away, under all names that it has in the repository.
func (r registry) DeleteManifest(_ context.Context, repo string, d digest.Digest) error {
	if err := r.writable(repo, ""); err != nil {
		return err
	}
	return unknown(r.store.drop(func(m ocispec.Descriptor) bool {
		return m.Digest == d && repositoryOf(nameOf(m)) == r.whole(repo)
	}), ociregistry.ErrManifestUnknown)
}

// Repositories are the names of images without their tags.
func (r registry) Repositories(_ context.Context, after string) iter.Seq2[string, error] {
	return r.names(after, func(name string) string { return repositoryOf(name) })
}

// Tags are those of a repository.
func (r registry) Tags(_ context.Context, repo, after string) iter.Seq2[string, error] {
	return r.names(after, func(name string) string {
		tag, _ := strings.CutPrefix(name, r.whole(repo)+":")
		if tag == name {
			return ""
		}
		return tag
	})
}

// repositoryOf is a name without tag and digest.
func repositoryOf(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return name
}

// names are what of makes of the names of all images, in order, each once, without the empty ones.
func (r registry) names(after string, of func(string) string) iter.Seq2[string, error] {
	index, err := r.store.index()
	if err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	var out []string
	for _, d := range index.Manifests {
		if part := of(nameOf(d)); part > after {
			out = append(out, part)
		}
	}
	slices.Sort(out)
	return func(yield func(string, error) bool) {
		for _, name := range slices.Compact(out) {
			if !yield(name, nil) {
				return
			}
		}
	}
}
