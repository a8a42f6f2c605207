package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// registriesDir is where containerd looks which registries it asks for the images of a host, each time that it pulls one.
const registriesDir = insideRun + "/registries"

// The index of the server's images says which hosts mean the server's own registry, and for which it asks mirrors (images/store.go).
const (
	hostsAnnotation   = "berth.dev/hosts"
	mirrorsAnnotation = "berth.dev/mirrors"
)

// registrySocket is where the server answers.
const registrySocket = insideImages + "/registry.sock"

// registryHost is a host, perhaps with a port, in the name of an image.
var registryHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}$`)

// mirror asks the server's registry, too.
const mirror = `[host."http://` + registryAddress + `"]
  capabilities = ["pull", "resolve"]
`

// partsOnly asks it for the parts of an image, once the image's own registry has said which they are: the server has fetched them for
// another cluster, or fetches them for all. The registry itself says who may have the image.
const partsOnly = `[host."http://` + registryAddress + `"]
  capabilities = ["pull"]
`

// otherHosts is what containerd does for hosts without a file.
const otherHosts = "_default"

// only leaves out the host itself: it is the server, which cannot be reached from here.
const only = `server = "http://` + registryAddress + `"
`

// mirroring is held by the node that writes: the files are those of all nodes.
var mirroring sync.Mutex

// offerMirror lets containerd ask the server's registry for images of those hosts of which the server has one or knows a mirror, before the
// host itself. Then imagePullPolicy: Always is possible for them. It is not asked which image others have: containerd tells of the first
// registry that it asked, and what is wrong with the other one would not be seen.
func offerMirror() error {
	mirroring.Lock()
	defer mirroring.Unlock()
	index, err := readIndex(insideImages) // here: what another node has written may be of a newer one
	if err != nil {
		return err
	}
	files := map[string]string{otherHosts: partsOnly}
	if _, err := os.Stat(registrySocket); err != nil { // these nodes have no server
		index, files = ocispec.Index{}, map[string]string{}
	}
	for _, host := range strings.Fields(index.Annotations[mirrorsAnnotation]) {
		files[host] = mirror
	}
	for _, d := range index.Manifests {
		host, _, _ := strings.Cut(d.Annotations[ocispec.AnnotationRefName], "/")
		files[host] = mirror
	}
	for _, host := range strings.Fields(index.Annotations[hostsAnnotation]) {
		files[host] = only + mirror
	}
	var errs []error
	for host, text := range files {
		if host != otherHosts && !registryHost.MatchString(host) || host == "." || host == ".." {
			errs = append(errs, fmt.Errorf("%q is no host of a registry", host))
			continue
		}
		errs = append(errs, writeWhole(filepath.Join(registriesDir, host, "hosts.toml"), text))
	}
	old, err := os.ReadDir(registriesDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, e := range old {
		if files[e.Name()] == "" {
			errs = append(errs, os.RemoveAll(filepath.Join(registriesDir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// writeWhole replaces a file: whoever reads it meanwhile finds the old one or the new one.
func writeWhole(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
