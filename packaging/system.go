package main

import (
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers itself
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers itself
)

const description = `Inference clusters through Azure Resource Manager, on your own machine
Berth is a control plane that speaks Azure Resource Manager, with real Kubernetes behind every cluster.`

// systemPackage writes the .deb or the .rpm.
func (r release) systemPackage(format string, content []file) error {
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	own := func(name string) string { return filepath.Join(r.root, "packaging", "files", name) }
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "berth", Arch: r.arch, Platform: "linux", Version: r.plain(), VersionSchema: "none", Release: "1", Section: "admin",
		Priority: "optional", Maintainer: "The Berth authors", Description: description, License: "Apache-2.0", MTime: r.time,
		DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Contents: r.places(format, content), Umask: 0o022,
			Scripts: nfpm.Scripts{PostInstall: own("postinstall.sh"), PreRemove: own("preremove.sh"), PostRemove: own("postremove.sh")},
			Depends: []string{"passwd"}, Recommends: []string{"runc | crun", "ca-certificates"},
			Deb: nfpm.Deb{Compression: "zstd"},
			RPM: nfpm.RPM{Compression: "zstd", BuildHost: "berth", Group: "System Environment/Daemons"},
		},
	})
	if format == "rpm" {
		info.Depends, info.Recommends = []string{"shadow-utils"}, []string{"(runc or crun)", "ca-certificates"}
	}
	return create(r.path("."+format), func(to io.Writer) error { return packager.Package(info, to) })
}

// places says where each file is installed.
func (r release) places(format string, content []file) files.Contents {
	var all files.Contents
	add := func(source, to, kind string, mode fs.FileMode) {
		all = append(all, &files.Content{Source: source, Destination: to, Type: kind,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time}})
	}
	for _, f := range content {
		if to := place(format, f.name); to != "" {
			add(f.source, to, files.TypeFile, f.mode)
		}
	}
	own := filepath.Join(r.root, "packaging", "files")
	add("../lib/berth/berth", "/usr/bin/berth", files.TypeSymlink, 0o777)
	add(filepath.Join(own, "berth.service"), "/usr/lib/systemd/system/berth.service", files.TypeFile, 0o644)
	add("", "/etc/berth", files.TypeDir, 0o750)
	add("", "/usr/lib/berth", files.TypeDir, 0o755)
	add("", "/usr/lib/berth/nodes", files.TypeDir, 0o755)
	for _, name := range []string{"berth.yaml", "berth.env"} {
		add(filepath.Join(own, name), "/etc/berth/"+name, files.TypeConfigNoReplace, 0o640)
	}
	return all
}

// place is where a file of the archive is installed; empty when it is not.
func place(format, name string) string {
	zsh := "/usr/share/zsh/vendor-completions/_berth"
	if format == "rpm" {
		zsh = "/usr/share/zsh/site-functions/_berth"
	}
	switch name {
	case "LICENSE":
		return "/usr/share/doc/berth/copyright"
	case "share/completions/berth.bash":
		return "/usr/share/bash-completion/completions/berth"
	case "share/completions/_berth":
		return zsh
	case "share/completions/berth.fish":
		return "/usr/share/fish/vendor_completions.d/berth.fish"
	case "share/completions/berth.ps1":
		return ""
	}
	if program, isProgram := strings.CutPrefix(name, "bin/"); isProgram {
		return "/usr/lib/berth/" + program
	}
	if strings.HasPrefix(name, "share/man/") {
		return "/usr/" + name
	}
	return path.Join("/usr/share/doc/berth", name)
}
