package images

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"berth.dev/berth"
)

// Import takes the images of an archive: what `docker save` and other tools write, in the format of docker or of OCI. Its names belong to
// no earlier image any more. Every real node has the images some seconds later, also nodes that are created in future. A *berth.Error
// says what is wrong with the archive.
func (s *Store) Import(file string) (Image, error) {
	return s.importFile(file, func(all []ocispec.Descriptor) error {
		for _, d := range all {
			if Internal(nameOf(d)) {
				return berth.Errorf(berth.CodeBadRequest, "%s is the name of an image of Berth. Give the image another name.", nameOf(d))
			}
		}
		return nil
	})
}

// importFile imports what judge lets pass.
func (s *Store) importFile(file string, judge func([]ocispec.Descriptor) error) (Image, error) {
	image, err := s.importOnce(file, judge)
	if errors.Is(err, errIncomplete) { // somebody has just removed an image that had the same blob
		image, err = s.importOnce(file, judge)
	}
	return image, err
}

func (s *Store) importOnce(file string, judge func([]ocispec.Descriptor) error) (Image, error) {
	a, err := readArchive(file)
	if err != nil {
		return Image{}, err
	}
	if err := a.fits(); err != nil {
		return Image{}, err
	}
	held, err := s.copyFiles(file, a.files())
	if err != nil {
		return Image{}, err
	}
	all, err := s.assemble(a, held)
	if err != nil {
		return Image{}, err
	}
	if err := judge(all); err != nil {
		return Image{}, err
	}
	for _, d := range all {
		if err := s.runsHere(d); err != nil {
			return Image{}, err
		}
	}
	if err := s.set(all...); err != nil {
		return Image{}, err
	}
	have, err := s.List()
	for _, image := range have {
		if image.Digest == all[0].Digest.String() {
			return image, err
		}
	}
	return Image{}, errors.Join(err, errIncomplete) // somebody has removed it in the meantime
}

// archive is what the files of an archive say of it.
type archive struct {
	file   string
	docker []dockerImage
	index  ocispec.Index
	small  map[string][]byte // configurations and manifests by path
	links  map[string]string // old versions of docker link layers that are the same
}

type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func noArchive(file string, err error) error {
	return berth.Errorf(berth.CodeBadRequest, "%s is not an archive of images (%v). Write one with 'docker save' or a tool like it; "+
		"unpack a compressed one first.", filepath.Base(file), err)
}

// readArchive reads the files that describe an archive, and none of its layers.
func readArchive(file string) (archive, error) {
	a := archive{file: file, small: map[string][]byte{}, links: map[string]string{}}
	f, err := os.Open(file) // #nosec: the operator's own
	if err != nil {
		return a, err
	}
	defer func() { _ = f.Close() }()
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return a, noArchive(file, err)
		}
		if err := a.take(h, r); err != nil {
			return a, noArchive(file, err)
		}
	}
	if len(a.names()) == 0 {
		return a, berth.Errorf(berth.CodeBadRequest, "No image in the archive has a name. Give one before you save it, such as "+
			"'docker tag ID example.com/model:1'.")
	}
	return a, nil
}

// maxDescribed bounds what describes the images of one archive, in bytes.
const maxDescribed = 64 << 20

func (a *archive) take(h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	if h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink {
		to := h.Linkname
		if h.Typeflag == tar.TypeSymlink {
			to = path.Join(path.Dir(name), to) // #nosec G305 -- a name within the archive; nothing is written there
		}
		a.links[name] = path.Clean(to)
		return nil
	}
	if h.Typeflag != tar.TypeReg || h.Size > maxManifest {
		return nil
	}
	text := bufio.NewReader(r)
	if first, err := text.Peek(1); err != nil || first[0] != '{' && first[0] != '[' { // a layer
		return nil
	}
	whole, err := io.ReadAll(text)
	if err != nil {
		return err
	}
	switch name {
	case "manifest.json":
		return json.Unmarshal(whole, &a.docker)
	case ocispec.ImageIndexFile:
		return json.Unmarshal(whole, &a.index)
	}
	sum := len(whole)
	for _, other := range a.small {
		sum += len(other)
	}
	if sum > maxDescribed {
		return errors.New("too many files describe it")
	}
	a.small[name] = whole
	return nil
}

// names are the whole names of the images.
func (a archive) names() (out []string) {
	for _, i := range a.docker {
		for _, tag := range i.RepoTags {
			out = append(out, wholeName(tag))
		}
	}
	if len(a.docker) > 0 {
		return out
	}
	for _, m := range a.index.Manifests {
		if name := archivedName(m); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// archivedName is the whole name of an image in the index of an archive; empty when it has none.
func archivedName(d ocispec.Descriptor) string {
	if name := d.Annotations["io.containerd.image.name"]; name != "" {
		return wholeName(name)
	}
	if name := nameOf(d); strings.ContainsAny(name, "/:") { // else a tag alone
		return wholeName(name)
	}
	return ""
}

// fits reports an image of docker that this machine cannot run, before its layers are copied.
func (a archive) fits() error {
	for _, i := range a.docker {
		var p ocispec.Platform
		text, there := a.small[a.real(i.Config)]
		if !there || json.Unmarshal(text, &p) != nil {
			return noArchive(a.file, fmt.Errorf("its configuration %q is missing or unreadable", i.Config))
		}
		if err := fits(p, strings.Join(i.RepoTags, ", ")); err != nil {
			return err
		}
	}
	return nil
}

// fits reports an image for another platform than this machine's.
func fits(p ocispec.Platform, name string) error {
	if p.OS == "linux" && (p.Architecture == "" || p.Architecture == runtime.GOARCH) {
		return nil
	}
	return berth.Errorf(berth.CodeBadRequest, "The image %s is for %s/%s; this machine runs linux/%s.", name, p.OS, p.Architecture,
		runtime.GOARCH)
}

// real is the path of what a name in the archive stands for.
func (a archive) real(name string) string {
	name = path.Clean(name)
	if to := a.links[name]; to != "" {
		return to
	}
	return name
}

// files are the paths of what the images consist of: of those of docker their parts, of OCI all blobs.
func (a archive) files() func(string) bool {
	if len(a.docker) == 0 {
		return func(name string) bool { return strings.HasPrefix(name, "blobs/sha256/") }
	}
	want := map[string]bool{}
	for _, i := range a.docker {
		for _, name := range append(slices.Clone(i.Layers), i.Config) {
			want[a.real(name)] = true
		}
	}
	return func(name string) bool { return want[name] }
}

// copyFiles makes blobs of the wanted files of an archive, and answers which file became which. Blobs of OCI are named by their digests,
// and must be what they are named.
func (s *Store) copyFiles(file string, want func(string) bool) (map[string]ocispec.Descriptor, error) {
	f, err := os.Open(file) // #nosec: the operator's own
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	out := map[string]ocispec.Descriptor{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, noArchive(file, err)
		}
		name := path.Clean(h.Name)
		if h.Typeflag != tar.TypeReg || !want(name) {
			continue
		}
		text, named := bufio.NewReader(r), digest.Digest("")
		first, _ := text.Peek(4) // an empty one is a blob, too
		if sum, is := strings.CutPrefix(name, "blobs/sha256/"); is {
			named = digest.NewDigestFromEncoded(digest.SHA256, sum)
		}
		d, err := s.put(text, named)
		if errors.Is(err, errOtherContent) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, noArchive(file, fmt.Errorf("%s is damaged: %w", name, err))
		}
		if err != nil {
			return nil, err
		}
		d.MediaType = layerType(first)
		out[name] = d
	}
}

// layerType is the media type of a layer, by how it begins.
func layerType(first []byte) string {
	switch {
	case strings.HasPrefix(string(first), "\x1f\x8b"):
		return ocispec.MediaTypeImageLayerGzip
	case string(first) == "\x28\xb5\x2f\xfd":
		return ocispec.MediaTypeImageLayerZstd
	}
	return ocispec.MediaTypeImageLayer
}

// assemble makes the images of an archive of the blobs that its files became.
func (s *Store) assemble(a archive, held map[string]ocispec.Descriptor) (all []ocispec.Descriptor, err error) {
	if len(a.docker) == 0 {
		for _, m := range a.index.Manifests {
			if name := archivedName(m); name != "" && usable(m.Digest) {
				m.Annotations = map[string]string{ocispec.AnnotationRefName: name}
				all = append(all, m)
			}
		}
		if len(all) == 0 {
			err = noArchive(a.file, errNoManifest)
		}
		return all, err
	}
	for _, i := range a.docker {
		d, err := s.manifestOf(a, i, held)
		if err != nil {
			return nil, err
		}
		for _, tag := range i.RepoTags {
			d.Annotations = map[string]string{ocispec.AnnotationRefName: wholeName(tag)}
			all = append(all, d)
		}
	}
	return all, nil
}

// manifestOf writes the manifest of an image of docker. The same image has the same, byte for byte.
func (s *Store) manifestOf(a archive, i dockerImage, held map[string]ocispec.Descriptor) (ocispec.Descriptor, error) {
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: held[a.real(i.Config)], Layers: []ocispec.Descriptor{}}
	m.Config.MediaType = ocispec.MediaTypeImageConfig
	var config ocispec.Image
	if err := json.Unmarshal(a.small[a.real(i.Config)], &config); err != nil {
		return ocispec.Descriptor{}, noArchive(a.file, err)
	}
	for _, name := range i.Layers {
		layer, there := held[a.real(name)]
		if !there {
			return ocispec.Descriptor{}, noArchive(a.file, fmt.Errorf("its layer %s is missing", name))
		}
		m.Layers = append(m.Layers, layer)
	}
	if len(config.RootFS.DiffIDs) != len(m.Layers) {
		return ocispec.Descriptor{}, noArchive(a.file, fmt.Errorf("its configuration has %d layers and the archive %d",
			len(config.RootFS.DiffIDs), len(m.Layers)))
	}
	text, err := json.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := s.put(strings.NewReader(string(text)), "")
	d.MediaType = m.MediaType
	return d, err
}

// runsHere reports an image none of whose manifests is for this machine.
func (s *Store) runsHere(d ocispec.Descriptor) error {
	all, err := s.manifests(d)
	if err != nil {
		return noArchive(nameOf(d), err)
	}
	var unfit error
	for _, m := range all {
		p, err := s.platformOf(m)
		if errors.Is(err, fs.ErrNotExist) {
			continue // complete tells
		}
		if err != nil {
			return noArchive(nameOf(d), err)
		}
		if unfit = fits(p, nameOf(d)); unfit == nil {
			return nil
		}
	}
	return unfit
}
