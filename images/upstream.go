package images

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociauth"
	"cuelabs.dev/go/oci/ociregistry/ociclient"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Mirror is a registry that is asked before the one which the name of an image says.
type Mirror struct {
	Host string   // in the names of images, such as docker.io
	URL  *url.URL // of the mirror; its path, if it has one, comes before the names of its repositories
}

var errBadMirror = errors.New("no mirror") // ParseMirror says what one is

// ParseMirror reads "docker.io=https://mirror.example.com/docker".
func ParseMirror(text string) (Mirror, error) {
	host, address, _ := strings.Cut(text, "=")
	u, err := url.Parse(address)
	if err == nil && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		err = errBadMirror
	}
	if _, hostErr := ociclient.New(host, nil); host == "" || hostErr != nil || err != nil {
		return Mirror{}, fmt.Errorf("what is said of '%s' is not HOST=URL, such as docker.io=https://mirror.example.com; a password is "+
			"taken from 'docker login' of the user that runs the server", host)
	}
	return Mirror{host, u}, nil
}

// Upstreams ask other registries on behalf of the nodes.
type Upstreams struct {
	mirrors []Mirror
	guarded http.RoundTripper
	pulls   pulls
}

// NewUpstreams asks mirrors as the operator trusts them, and every other registry by guarded: nodes choose which.
func (s *Store) NewUpstreams(mirrors []Mirror, guarded http.RoundTripper) *Upstreams {
	return &Upstreams{mirrors, guarded, pulls{store: s, room: pulledRoom, all: map[digest.Digest]*pull{}}}
}

// origin is what a request of a node asks for, and with which credentials of the pod, if it has some.
type origin struct {
	host, repo string
	basic      ociauth.ConfigEntry
}

// EntryForRegistry implements ociauth.Config: what pods sign in with is for this one registry.
func (o origin) EntryForRegistry(host string) (ociauth.ConfigEntry, error) {
	if host == apiHost(o.host) {
		return o.basic, nil
	}
	return ociauth.ConfigEntry{}, nil
}

// apiHost is where the registry of a host answers.
func apiHost(host string) string {
	if host == "docker.io" {
		return "registry-1.docker.io"
	}
	return host
}

// mirrored reports whether the host has a mirror.
func (u *Upstreams) mirrored(host string) bool {
	for _, m := range u.mirrors {
		if m.Host == host {
			return true
		}
	}
	return false
}

// ask tries the mirrors of a host in their order, and then, unless onlyMirrors, its own registry. The error is that of the last one.
func (u *Upstreams) ask(from origin, onlyMirrors bool, try func(at ociregistry.Interface, repo string) error) error {
	err := error(ociregistry.ErrNameUnknown)
	for _, m := range u.mirrors {
		if m.Host != from.host {
			continue
		}
		if err = u.askMirror(m, from.repo, try); err == nil {
			return nil
		}
		err = fmt.Errorf("the mirror %s of %s: %w", m.URL, m.Host, err)
	}
	if onlyMirrors {
		return err
	}
	at, err := ociclient.New(apiHost(from.host), &ociclient.Options{
		Transport: ociauth.NewStdTransport(ociauth.StdTransportParams{Config: from, Transport: u.guarded})})
	if err != nil {
		return refused(ociregistry.ErrNameInvalid, err)
	}
	return try(at, from.repo)
}

func (u *Upstreams) askMirror(m Mirror, repo string, try func(at ociregistry.Interface, repo string) error) error {
	logins, err := ociauth.Load(nil) // each time: it may have changed
	if err != nil {
		return fmt.Errorf("what 'docker login' has stored cannot be read: %w", err)
	}
	at, err := ociclient.New(m.URL.Host, &ociclient.Options{Insecure: m.URL.Scheme == "http",
		Transport: ociauth.NewStdTransport(ociauth.StdTransportParams{Config: logins})})
	if err != nil {
		return err
	}
	if path := strings.Trim(m.URL.Path, "/"); path != "" {
		repo = path + "/" + repo
	}
	return try(at, repo)
}

// resolve asks the mirrors which manifest has a tag, or for one by its digest.
func (u *Upstreams) resolve(ctx context.Context, from origin, ref string) (found ocispec.Descriptor, err error) {
	err = u.ask(from, true, func(at ociregistry.Interface, repo string) (err error) {
		if digest.Digest(ref).Validate() == nil {
			found, err = at.ResolveManifest(ctx, repo, digest.Digest(ref))
		} else {
			found, err = at.ResolveTag(ctx, repo, ref)
		}
		return err
	})
	return found, err
}

// manifest reads it there.
func (u *Upstreams) manifest(ctx context.Context, from origin, ref string) (found ociregistry.BlobReader, err error) {
	err = u.ask(from, true, func(at ociregistry.Interface, repo string) (err error) {
		if digest.Digest(ref).Validate() == nil {
			found, err = at.GetManifest(ctx, repo, digest.Digest(ref))
		} else {
			found, err = at.GetTag(ctx, repo, ref)
		}
		return err
	})
	return found, err
}

// blob reads a blob from what was pulled, from the mirrors, or from the registry itself. Whoever knows its digest has it from a manifest,
// which the registry gives to those alone that may have the image.
func (u *Upstreams) blob(ctx context.Context, from origin, d digest.Digest, part [2]int64) (ociregistry.BlobReader, error) {
	return u.pulls.open(ctx, d, part, func(ctx context.Context) (found ociregistry.BlobReader, err error) {
		err = u.ask(from, false, func(at ociregistry.Interface, repo string) (err error) {
			found, err = at.GetBlob(ctx, repo, d)
			return err
		})
		return found, err
	})
}
