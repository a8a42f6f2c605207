package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/moby/buildkit/util/resolver"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What the folder of the server's images has besides them, and its index says of hosts (images/store.go).
const (
	registrySocket    = "registry.sock"
	hostsAnnotation   = "berth.dev/hosts"
	mirrorsAnnotation = "berth.dev/mirrors"
	// ownHost is the host in the names of images that only the server has.
	ownHost = "berth.dev"
)

// asked is how the server's registry is asked for the images of a host.
type asked int

const (
	forParts  asked = iota // after the host has said which they are; as for hosts that are not named
	before                 // the host, which has the rest
	insteadOf              // the host, which is the server
)

// registryHosts say where BuildKit asks for images, as nodes do (localnodes/mirror.go): the registry of the server, and the host itself.
func registryHosts(images string) (docker.RegistryHosts, error) {
	public := resolver.NewRegistryConfig(nil)
	socket := filepath.Join(images, registrySocket)
	if _, err := os.Stat(socket); errors.Is(err, os.ErrNotExist) { // these nodes have no server
		return public, nil
	}
	known, err := readHosts(filepath.Join(images, ocispec.ImageIndexFile))
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	return func(host string) ([]docker.RegistryHost, error) {
		own := docker.RegistryHost{Client: &http.Client{Transport: transport}, Host: "registry.berth.internal", Scheme: "http", Path: "/v2",
			Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve}
		switch known[host] {
		case insteadOf:
			return []docker.RegistryHost{own}, nil
		case forParts:
			own.Capabilities = docker.HostCapabilityPull
		}
		all, err := public(host)
		return append([]docker.RegistryHost{own}, all...), err
	}, nil
}

// readHosts reads how the server's registry is asked for the images of hosts. Without images there is no index.
func readHosts(file string) (map[string]asked, error) {
	var index ocispec.Index
	text, err := os.ReadFile(file) // #nosec: of the server
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	known := map[string]asked{}
	for _, d := range index.Manifests {
		host, _, _ := strings.Cut(d.Annotations[ocispec.AnnotationRefName], "/")
		known[host] = before
	}
	for _, host := range strings.Fields(index.Annotations[mirrorsAnnotation]) {
		known[host] = before
	}
	for _, host := range append(strings.Fields(index.Annotations[hostsAnnotation]), ownHost) {
		known[host] = insteadOf
	}
	return known, nil
}
