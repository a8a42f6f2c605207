package baseimage

import (
	_ "embed"
	"maps"
	"regexp"
	"slices"
	"strings"

	"berth.dev/berth"
)

// authority is a certificate in the package ca-certificates.
var authority = regexp.MustCompile(`^usr/share/ca-certificates/.+\.crt$`)

// systemTree is the base system of the packages, with what their maintainer scripts would have made.
func systemTree(debs []deb, python string) (*tree, error) {
	t := newTree()
	for _, d := range debs {
		t.add(d.files)
	}
	for _, d := range debs {
		t.file("var/lib/dpkg/status.d/"+d.name, d.control) // for programs that look for known faults
	}
	folders(t)
	accounts(t)
	if err := certificates(t); err != nil {
		return nil, err
	}
	t.link("usr/bin/python", "python3")
	t.folder("usr/local/lib/python"+python+"/dist-packages", 0o755)
	t.link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
	t.file("etc/timezone", "Etc/UTC\n")
	for tool := range strings.FieldsSeq(tools) {
		t.link("usr/bin/"+tool, "busybox")
	}
	return t, nil
}

// tools are the programs of busybox that shell scripts and people in a shell use most.
//
//go:embed tools.txt
var tools string

func folders(t *tree) {
	for _, dir := range merged {
		for name := range t.files {
			if strings.HasPrefix(name, "usr/"+dir+"/") {
				t.link(dir, "usr/"+dir)
				break
			}
		}
	}
	for _, dir := range []string{"dev", "etc", "home", "mnt", "opt", "proc", "run", "srv", "sys", "var/cache", "var/lib", "var/log"} {
		t.folder(dir, 0o755)
	}
	t.folder("root", 0o700)
	t.folder("tmp", 0o1777)
	t.folder("var/tmp", 0o1777)
}

// accounts are the two that a container needs, and where names of hosts are looked for: without the line, /etc/hosts comes last.
func accounts(t *tree) {
	t.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")
	t.file("etc/group", "root:x:0:\nnogroup:x:65534:\n")
	t.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n")
}

// certificates puts those of all authorities into the one file that programs read, and where OpenSSL looks for it.
func certificates(t *tree) error {
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		if authority.MatchString(name) {
			all.WriteString(strings.TrimSpace(string(t.files[name].data)) + "\n")
		}
	}
	if all.Len() == 0 {
		return berth.Errorf(berth.CodeBadRequest, "The package 'ca-certificates' holds no certificates. Name another mirror (--mirror).")
	}
	t.file("etc/ssl/certs/ca-certificates.crt", all.String())
	t.link("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt")
	t.link("usr/lib/ssl/certs", "/etc/ssl/certs")
	return nil
}
