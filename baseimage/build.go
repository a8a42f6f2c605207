// Package baseimage builds a base image of Python from the packages of Debian, or of a distribution made like it: without root, without a
// container engine, and without running any program of the packages.
package baseimage

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"

	"berth.dev/berth"
)

// Options say what is built and where it comes from.
type Options struct {
	Mirror   string   // of packages; that of the machine's apt when empty
	Suites   []string // of the mirror; the machine's own release when empty
	Keyrings []string // files with the keys that may sign the suites; those that the machine trusts for this purpose when empty
	Lock     string   // a file that holds the exact packages: read when it exists, else written; none when empty
	Name     string   // of the image; berth.dev/python:3.X when empty
	UV       bool     // with uv, which resolves and installs wheels
	Index    string   // of Python packages, for uv; that of the machine's pip when empty

	Progress func(line string) // called for each step
}

// Result is what was built.
type Result struct {
	Name     string
	ID       string // digest of the configuration, which names all files: the same packages have the same one
	Packages int
	Unpacked int64 // bytes of all files
}

// wanted are the packages that a server of models needs of its base image. zlib, OpenSSL, SQLite, xz, bzip2 and libffi are not here,
// because
// Python's standard library depends on them.
var wanted = []string{
	"python3",
	"ca-certificates", // TLS to indexes and stores
	"libstdc++6",      // every compiled wheel may expect it of the system
	"libgomp1",        // LightGBM and others expect it, too
	"tzdata",          // zoneinfo
	"netbase",         // /etc/services and /etc/protocols: names of ports
	"base-files",      // the usual folders, /etc/os-release, texts of licences
	"busybox",         // a shell, for kubectl exec and for programs that call one
}

// unneeded are packages that others depend on for their maintainer scripts only, which do not run.
var unneeded = []string{"debconf", "awk", "openssl", "dpkg", "perl-base"}

var pythonPackage = regexp.MustCompile(`^python(3\.\d+)$`)

// Build writes the archive of an image, in the format of `docker save`. A *berth.Error says what is wrong and what to do.
func Build(ctx context.Context, o Options, archive io.Writer) (Result, error) {
	b, err := newBuild(o)
	if err != nil {
		return Result{}, err
	}
	known, err := b.pins(ctx)
	if err != nil {
		return Result{}, err
	}
	version := known.python()
	if version == "" {
		return Result{}, berth.Errorf(berth.CodeBadRequest, "The packages hold no Python 3. Give the mirror of a distribution that has one "+
			"(--mirror), or another lock file (--lock).")
	}
	debs, err := b.download(ctx, known.Packages)
	if err != nil {
		return Result{}, err
	}
	system, err := systemTree(debs, version)
	if err != nil {
		return Result{}, err
	}
	layers := []*tree{system}
	if known.UV != nil {
		wheel, err := b.wheel(ctx, *known.UV)
		if err != nil {
			return Result{}, err
		}
		tool, err := uvTree(wheel, system.newest)
		if err != nil {
			return Result{}, err
		}
		layers = append(layers, tool)
	}
	name := cmp.Or(o.Name, "berth.dev/python:"+version)
	b.say("writing %s", name)
	id, err := writeImage(archive, name, layers)
	if err != nil {
		return Result{}, err
	}
	out := Result{Name: name, ID: id, Packages: len(debs)}
	for _, l := range layers {
		out.Unpacked += l.size()
	}
	return out, nil
}

// build is one build on its way.
type build struct {
	Options
	apt
	archives, index fetcher
	mirrors         []mirror
	onIndex         []candidate // the wheels of uv, once the index has been read
}

func newBuild(o Options) (*build, error) {
	b := &build{Options: o, apt: readApt("/etc/apt")}
	if b.Progress == nil {
		b.Progress = func(string) {}
	}
	b.archives = newFetcher(b.proxy)
	if b.UV {
		pip := readPip(os.Getenv)
		if b.index = newFetcher(pip.proxyFor); b.Index == "" {
			b.Index = pip.where()
		}
	}
	var err error
	b.mirrors, err = b.choose(o)
	return b, err
}

func (b *build) say(format string, args ...any) { b.Progress(fmt.Sprintf(format, args...)) }

// pins are the exact packages: those of the lock file, or else the newest of the mirrors.
func (b *build) pins(ctx context.Context) (lock, error) {
	if b.Lock != "" {
		known, err := readLock(b.Lock)
		if err == nil && b.UV && known.UV == nil {
			err = berth.Errorf(berth.CodeBadRequest, "The lock file %s has no uv. Build without it (--uv=false), or remove the file for a new one.",
				b.Lock)
		}
		if err == nil && !b.UV {
			known.UV = nil
		}
		if err == nil || !os.IsNotExist(err) {
			return known, err
		}
	}
	all := newIndex()
	for _, m := range b.mirrors {
		b.say("reading %s %s", m.host(), m.suite)
		if err := b.readSuite(ctx, m, all); err != nil {
			return lock{}, err
		}
	}
	packages, err := all.resolve(wanted)
	if err != nil {
		return lock{}, err
	}
	known := lock{Architecture: architecture(), Packages: packages}
	if b.UV {
		if known.UV, err = b.newestUV(ctx); err != nil {
			return lock{}, err
		}
	}
	if b.Lock == "" {
		return known, nil
	}
	return known, known.write(b.Lock)
}
