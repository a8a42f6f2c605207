package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// imageUser is the id of nobody in images without a distribution.
const imageUser = "65532"

// imagePrograms are those that a server needs in a container, where nodes are simulated: an unprivileged one permits no namespaces.
// berth-fe goes to connected clusters that serve models.
var imagePrograms = []string{"bin/berth", "bin/berth-kube", "bin/nodes/berth-fe"}

// image writes an image of the server as an archive: the layout of OCI, with the manifest.json by which `docker load` finds its way too.
func (r release) image(content []file) (err error) {
	dir, err := os.MkdirTemp("", "berth-image-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	image, err := r.build(content)
	if err != nil {
		return err
	}
	// A tag has no "+" and no "~".
	name := "berth.dev/berth:" + strings.NewReplacer("+", "-", "~", "-").Replace(r.plain())
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	names := map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
	platform := v1.Platform{OS: r.os, Architecture: r.arch}
	if err := to.AppendImage(image, layout.WithAnnotations(names), layout.WithPlatform(platform)); err != nil {
		return err
	}
	if err := dockerManifest(image, name, filepath.Join(dir, "manifest.json")); err != nil {
		return err
	}
	return create(r.path(".oci.tar"), func(w io.Writer) error { return r.tarFolder(w, dir) })
}

func (r release) build(content []file) (v1.Image, error) {
	system, err := r.systemLayer()
	if err != nil {
		return nil, err
	}
	programs, err := r.programLayer(content)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, text := range [][]byte{system, programs} {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
			tarball.WithCompressedCaching, tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return nil, err
		}
		addendum := mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: r.time}, CreatedBy: "make dist"}}
		if image, err = mutate.Append(image, addendum); err != nil {
			return nil, err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = r.os, r.arch
	config.Created = v1.Time{Time: r.time}
	config.Config = v1.Config{
		User: imageUser + ":" + imageUser, Entrypoint: []string{"/usr/lib/berth/berth"}, Cmd: []string{"serve"},
		Env: []string{"PATH=/usr/bin", "HOME=/var/lib/berth", "BERTH_DATA_DIR=/var/lib/berth",
			"BERTH_LISTEN=0.0.0.0:8443", "BERTH_NODES=simulated"},
		ExposedPorts: map[string]struct{}{"8443/tcp": {}}, Volumes: map[string]struct{}{"/var/lib/berth": {}}, WorkingDir: "/var/lib/berth",
		Labels: map[string]string{"org.opencontainers.image.title": "Berth", "org.opencontainers.image.version": r.plain(),
			"org.opencontainers.image.licenses": "Apache-2.0"},
	}
	return mutate.ConfigFile(image, config)
}

// systemLayer is what a program expects of a system: users, authorities, a folder for temporary files, and that of the data.
func (r release) systemLayer() ([]byte, error) {
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil { // a file of certificates cannot say what a limited authority may sign
			continue
		}
		if err := pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	users := "root:x:0:0:root:/:/sbin/nologin\nberth:x:" + imageUser + ":" + imageUser + ":berth:/var/lib/berth:/sbin/nologin\n"
	groups := "root:x:0:\nberth:x:" + imageUser + ":\n"
	err := errors.Join(
		r.entry(w, tar.Header{Name: "etc/", Mode: 0o755}, nil),
		r.entry(w, tar.Header{Name: "etc/group", Mode: 0o644}, []byte(groups)),
		r.entry(w, tar.Header{Name: "etc/passwd", Mode: 0o644}, []byte(users)),
		r.entry(w, tar.Header{Name: "etc/ssl/certs/", Mode: 0o755}, nil),
		r.entry(w, tar.Header{Name: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644}, roots.Bytes()),
		r.entry(w, tar.Header{Name: "tmp/", Mode: 0o1777}, nil),
		r.entry(w, tar.Header{Name: "usr/bin/", Mode: 0o755}, nil),
		r.entry(w, tar.Header{Name: "usr/bin/berth", Typeflag: tar.TypeSymlink, Linkname: "../lib/berth/berth", Mode: 0o777}, nil),
		r.entry(w, tar.Header{Name: "var/lib/berth/", Mode: 0o700, Uid: 65532, Gid: 65532}, nil),
		w.Close(),
	)
	return text.Bytes(), err
}

func (r release) programLayer(content []file) ([]byte, error) {
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, f := range content {
		to := "usr/lib/berth/" + strings.TrimPrefix(f.name, "bin/")
		if f.name == "LICENSE" || f.name == "THIRD-PARTY.txt" {
			to = "usr/share/doc/berth/" + f.name
		} else if !slices.Contains(imagePrograms, f.name) {
			continue
		}
		if err := r.tarFile(w, to, f); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return text.Bytes(), err
}

// entry writes one entry; a name that ends with a slash is a folder.
func (r release) entry(w *tar.Writer, h tar.Header, text []byte) error {
	h.ModTime, h.Size = r.time, int64(len(text))
	h.Format = tar.FormatPAX
	if strings.HasSuffix(h.Name, "/") {
		h.Typeflag = tar.TypeDir
	}
	if err := w.WriteHeader(&h); err != nil {
		return err
	}
	_, err := w.Write(text)
	return err
}

// dockerManifest writes the list by which docker before version 25 reads an archive.
func dockerManifest(image v1.Image, name, to string) error {
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	blob := func(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }
	layers := []string{}
	for _, l := range manifest.Layers {
		layers = append(layers, blob(l.Digest))
	}
	text, err := json.Marshal([]map[string]any{{"Config": blob(manifest.Config.Digest), "RepoTags": []string{name}, "Layers": layers}})
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// tarFolder writes the files of a folder in the order of their names.
func (r release) tarFolder(to io.Writer, dir string) error {
	w := tar.NewWriter(to)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		return r.tarFile(w, filepath.ToSlash(name), file{source: p, mode: 0o644})
	})
	return errors.Join(err, w.Close())
}
