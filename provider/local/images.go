package local

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"berth.dev/berth"
)

// Image is one archive of images: what `docker save` and other tools write, in the format of docker or of OCI.
type Image struct {
	Names []string `json:"names"`
	Size  int64    `json:"size"` // of the archive, in bytes
	ID    string   `json:"id"`   // of the archive: the first digits of its SHA-256
	path  string
}

// maxDescription bounds each file of an archive that describes it.
const maxDescription = 4 << 20

// ImportImage copies an archive into the folder of images of a data folder. Every real node has its images some seconds later, also nodes
// that are created in future. An archive of the same content is there once. A *berth.Error says what is wrong with the archive.
func ImportImage(dataDir, file string) (Image, error) {
	image, err := readImage(file)
	if err != nil {
		return image, err
	}
	dir := filepath.Join(dataDir, ImagesFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil { // #nosec: in a data folder that only its owner may enter
		return image, err
	}
	from, err := os.Open(file)
	if err != nil {
		return image, err
	}
	defer func() { _ = from.Close() }()
	to, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return image, err
	}
	defer func() { _ = os.Remove(to.Name()) }() // gone already when all went well
	sum := sha256.New()
	image.Size, err = io.Copy(io.MultiWriter(to, sum), from)
	if err := errors.Join(err, to.Chmod(0o644), to.Sync(), to.Close()); err != nil { // nodes read it with ids of their own
		return image, err
	}
	image.ID = hex.EncodeToString(sum.Sum(nil)[:6])
	image.path = filepath.Join(dir, image.ID+".tar")
	if err := os.Rename(to.Name(), image.path); err != nil {
		return image, err
	}
	syncDir(dir)
	return image, nil
}

// ListImages are the archives of a data folder.
func ListImages(dataDir string) ([]Image, error) {
	all, err := filepath.Glob(filepath.Join(dataDir, ImagesFolder, "*.tar"))
	if err != nil {
		return nil, err
	}
	out := make([]Image, 0, len(all))
	for _, path := range all {
		image, err := readImage(path)
		if err != nil {
			return nil, err
		}
		image.ID = strings.TrimSuffix(filepath.Base(path), ".tar")
		out = append(out, image)
	}
	return out, nil
}

// RemoveImage removes the archive that has an image of this name, or this id. Nodes that have the image keep it.
func RemoveImage(dataDir, name string) error {
	all, err := ListImages(dataDir)
	if err != nil {
		return err
	}
	for _, image := range all {
		if image.ID == name || slices.Contains(image.Names, name) || slices.Contains(image.Names, wholeName(name)) {
			return os.Remove(image.path)
		}
	}
	return berth.Errorf(berth.CodeNotFound, "There is no image '%s'. 'berth image list' shows those that there are.", name)
}

// description is what the files of an archive say of it.
type description struct {
	docker  []dockerImage
	index   ociIndex
	configs map[string]platform
}

type dockerImage struct {
	Config   string
	RepoTags []string
}

type ociIndex struct {
	Manifests []struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"manifests"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

func readImage(file string) (Image, error) {
	image := Image{path: file}
	f, err := os.Open(file)
	if err != nil {
		return image, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return image, err
	}
	image.Size = info.Size()
	d, err := describe(tar.NewReader(f))
	if err != nil {
		return image, berth.Errorf(berth.CodeBadRequest, "%s is not an archive of images (%v). Write one with 'docker save' or a tool like it; "+
			"unpack a compressed one first.", filepath.Base(file), err)
	}
	if image.Names, err = d.names(); err != nil {
		return image, err
	}
	return image, d.fits()
}

// describe reads the files that describe an archive, and none of its layers.
func describe(r *tar.Reader) (description, error) {
	d := description{configs: map[string]platform{}}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return d, nil
		}
		if err != nil {
			return d, err
		}
		name := path.Clean(h.Name)
		if h.Size > maxDescription || h.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return d, err
		}
		switch {
		case name == "manifest.json":
			err = json.Unmarshal(text, &d.docker)
		case name == "index.json":
			err = json.Unmarshal(text, &d.index)
		default:
			var p platform
			if json.Unmarshal(text, &p) == nil && p.OS != "" { // else a layer, or a manifest
				d.configs[name] = p
			}
		}
		if err != nil {
			return d, err
		}
	}
}

// names are the whole names of the images.
func (d description) names() ([]string, error) {
	var out []string
	for _, i := range d.docker {
		for _, tag := range i.RepoTags {
			out = append(out, wholeName(tag))
		}
	}
	for _, m := range d.index.Manifests {
		if name := m.Annotations["io.containerd.image.name"]; name != "" {
			out = append(out, wholeName(name))
		}
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) == 0 {
		return nil, berth.Errorf(berth.CodeBadRequest, "No image in the archive has a name. Give one before you save it, such as "+
			"'docker tag ID example.com/model:1'.")
	}
	return out, nil
}

// fits reports an image that this machine cannot run.
func (d description) fits() error {
	for _, i := range d.docker {
		p, known := d.configs[path.Clean(i.Config)]
		if known && (p.OS != "linux" || p.Architecture != "" && p.Architecture != runtime.GOARCH) {
			return berth.Errorf(berth.CodeBadRequest, "The image %s is for %s/%s; this machine runs linux/%s.", strings.Join(i.RepoTags, ", "), p.OS,
				p.Architecture, runtime.GOARCH)
		}
	}
	return nil
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
