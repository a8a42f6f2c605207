package baseimage_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"berth.dev/berth"
	"berth.dev/berth/baseimage"
)

// index serves an index of Python packages with two versions of uv, and says where it is.
func index(t *testing.T) string {
	t.Helper()
	text := wheel(t)
	name := "uv-%s-py3-none-manylinux_2_17_" + map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] + ".manylinux2014.whl"
	mux := http.NewServeMux()
	mux.HandleFunc("/simple/uv/", func(w http.ResponseWriter, _ *http.Request) {
		for _, version := range []string{"1.9.1", "1.10.0", "0.1.0"} {
			_, _ = fmt.Fprintf(w, "<a href=\"../../files/%s#sha256=%x\" data-requires-python=\"&gt;=3.8\">x</a>\n", fmt.Sprintf(name, version),
				sha256.Sum256([]byte(map[bool]string{true: string(text), false: version}[version == "1.10.0"])))
		}
		_, _ = fmt.Fprintf(w, "<a data-yanked=\"bad\" href=\"/files/%s#sha256=00\">x</a>\n", fmt.Sprintf(name, "2.0.0"))
	})
	mux.HandleFunc("/files/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/simple"
}

// from are the options that build from an archive.
func from(a *archive) baseimage.Options {
	return baseimage.Options{Mirror: "file://" + a.dir, Suites: []string{"one"}, Keyrings: []string{a.path("keyring.gpg")}}
}

// layers reads the files of an archive of an image, one map for each layer.
func layers(t *testing.T, text []byte) (out []map[string]tar.Header) {
	t.Helper()
	image, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		files, last := map[string]tar.Header{}, ""
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(tr)
			if err != nil || h.Name <= last {
				t.Fatalf("%s comes after %s: %v", h.Name, last, err)
			}
			last = h.Name
			if h.Typeflag == tar.TypeReg {
				h.Linkname = string(content) // a header has no better place
			}
			files[h.Name] = *h
		}
		out = append(out, files)
	}
	return out
}

// TestBuild: an image has what its packages hold and what their scripts would have made, as root's; the same packages make the same image.
func TestBuild(t *testing.T) {
	a := python(t)
	o := from(a)
	o.UV, o.Index = true, index(t)
	o.Lock = filepath.Join(t.TempDir(), "lock")
	var first bytes.Buffer
	made, err := baseimage.Build(t.Context(), o, &first)
	if err != nil || made.Name != "berth.dev/python:3.12" || made.Packages != 11 {
		t.Fatalf("%+v, %v", made, err)
	}
	all := layers(t, first.Bytes())
	for name, want := range map[string]string{
		"usr/bin/python3": "python3.12", "usr/bin/python": "python3", "usr/lib/libc.so.6": "libc", "lib": "usr/lib",
		"usr/lib64/ld.so":                   "/lib/ld.so",
		"etc/ssl/certs/ca-certificates.crt": "one\ntwo\n", "usr/share/doc/python3.12/copyright": "rights", "usr/lib/python3.12/os.py": "os",
		"usr/bin/sh": "busybox", "usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt", "etc/mime.types": "types",
	} {
		if h, there := all[0][name]; !there || h.Linkname != want {
			t.Errorf("%s is %q; want %q", name, h.Linkname, want)
		}
	}
	for _, name := range []string{"usr/share/man/man1/p.1", "usr/lib/python3.12/test/t.py", "usr/lib/python3.12/EXTERNALLY-MANAGED",
		"usr/share/doc/python3.12/changelog.gz", "usr/lib/old.so", "lib/", "usr/local/bin/uv"} {
		if _, there := all[0][name]; there {
			t.Errorf("%s is there", name)
		}
	}
	for _, files := range all {
		for name, h := range files {
			if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Mode&0o6000 != 0 || h.ModTime.After(built) {
				t.Errorf("%s: owner %d:%d %q, mode %o, of %s", name, h.Uid, h.Gid, h.Uname, h.Mode, h.ModTime)
			}
		}
	}
	if all[0]["tmp/"].Mode != 0o1777 || all[0]["var/lib/dpkg/status.d/python3.12"].Size == 0 || all[1]["usr/local/bin/uv"].Linkname != "uv "+
		"program" {
		t.Errorf("%o, %+v", all[0]["tmp/"].Mode, all[1])
	}
	a.add("libc6", "3.0", "Provides: libc (= 3.0)\n", "./lib/new.so new") // the archive goes on; the lock does not
	a.publish("one")
	var second bytes.Buffer
	if again, err := baseimage.Build(t.Context(), o, &second); err != nil || again.ID != made.ID || !bytes.Equal(first.Bytes(),
		second.Bytes()) {
		t.Errorf("built again: %+v, %v", again, err)
	}
	o.Lock, o.UV = "", false
	if newer, err := baseimage.Build(t.Context(), o, io.Discard); err != nil || newer.ID == made.ID || newer.Unpacked >= made.Unpacked {
		t.Errorf("without a lock and uv: %+v, %v", newer, err)
	}
}

// TestBuildRefused: what is wrong with an archive, and what the user is told.
func TestBuildRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(a *archive, o *baseimage.Options)
		want   string
	}{
		"another key": {func(a *archive, o *baseimage.Options) { o.Keyrings = []string{newArchive(a.t).path("keyring.gpg")} }, "is not " +
			"signed by a key"},
		"not signed":      {func(a *archive, _ *baseimage.Options) { a.write("dists/one/InRelease", []byte("Origin: x\n")) }, "no signed list"},
		"another list":    {replaced("dists/one/main/binary-" + debArchitecture + "/Packages.gz"), "SHA-256 differs"},
		"another package": {replaced("pool/libc6_2.10.deb"), "SHA-256 differs"},
		"another suite": {func(a *archive, o *baseimage.Options) { a.publishAs("two"); o.Suites = []string{"two"} }, "the suite one instead " +
			"of two"},
		"an old list": {func(a *archive, _ *baseimage.Options) {
			a.release = "Valid-Until: Sat, 01 Feb 2020 00:00:00 UTC\n"
			a.publish("one")
		}, "was valid until"},
		"no package": {func(a *archive, _ *baseimage.Options) { a.list.Reset(); a.publish("one") }, "no package 'python3'"},
		"no dependency": {func(a *archive, _ *baseimage.Options) {
			a.add("python3", "4", "Depends: none (>= 2)\n")
			a.publish("one")
		}, "needs 'none (>= 2)'"},
		"no archive":    {func(_ *archive, o *baseimage.Options) { o.Mirror += "/nowhere" }, "cannot be fetched"},
		"no mirror":     {func(_ *archive, o *baseimage.Options) { o.Mirror = "ftp://example.com" }, "is no mirror"},
		"a suite alone": {func(_ *archive, o *baseimage.Options) { o.Mirror = "" }, "--mirror URL"},
		"no index": {func(_ *archive, o *baseimage.Options) { o.UV, o.Index = true, "http://127.0.0.1:1/" }, "127.0.0.1:1/uv/ cannot " +
			"be fetched"},
		"a bad name":       {func(_ *archive, o *baseimage.Options) { o.Name = "A B" }, "no name of an image"},
		"no lock":          {func(a *archive, o *baseimage.Options) { o.Lock = a.path("keyring.gpg") }, "is not a lock file"},
		"gone from mirror": {func(a *archive, o *baseimage.Options) { o.Lock = a.locked(`"pool/gone.deb"`) }, "No mirror has"},
		"another machine": {func(a *archive, o *baseimage.Options) {
			o.Lock = a.locked(`"pool/x", "x": 1}], "architecture": "vax", "y": [{"z": ""`)
		}, "is for vax"},
		"outside":       {func(a *archive, o *baseimage.Options) { o.Lock = a.locked(`"../../etc/passwd"`) }, "no proper path"},
		"a lock, no uv": {func(a *archive, o *baseimage.Options) { o.UV, o.Lock = true, a.locked(`"pool/x"`) }, "has no uv"},
	} {
		t.Run(name, func(t *testing.T) {
			a := python(t)
			o := from(a)
			c.change(a, &o)
			_, err := baseimage.Build(t.Context(), o, io.Discard)
			if _, ours := errors.AsType[*berth.Error](err); !ours || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

// replaced puts other content into a file of the archive.
func replaced(file string) func(*archive, *baseimage.Options) {
	return func(a *archive, _ *baseimage.Options) {
		if _, err := os.Stat(a.path(file)); err != nil {
			a.t.Fatal(err)
		}
		a.write(file, packed(a.t, ".gz", []byte("other")))
	}
}

// publishAs offers the suite "one" under another name, with its signature.
func (a *archive) publishAs(suite string) {
	text, err := os.ReadFile(a.path("dists/one/InRelease"))
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("dists/"+suite+"/InRelease", text)
}

// locked is a lock file with one package at a path.
func (a *archive) locked(file string) string {
	a.write("lock", fmt.Appendf(nil, `{"architecture": %q, "packages": [{"name": "python3.12", "sha256": %q, "file": %s}]}`, debArchitecture,
		strings.Repeat("0", 64), file))
	return a.path("lock")
}

// TestPackageRefused: a package that is damaged is refused, and so is one that unpacks to more than it should.
func TestPackageRefused(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 257 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"no package": "no Debian package",
		"!<arch>\n":  "no description",
		"!<arch>\n" + string(member("data.tar", make([]byte, 100))[:120]):           "cut off",
		"!<arch>\n" + string(member("data.tar.gz", []byte("no gzip, but a text"))):  "gzip",
		"!<arch>\n" + string(member("data.tar.gz", bomb.Bytes())):                   "more than 256 MB",
		"!<arch>\n" + string(member("data.tar", []byte(strings.Repeat("x", 1024)))): "tar",
	} {
		a := python(t)
		a.add("python3", "9", "Depends: python3.12\n", "./x y")
		listed := a.list.String()
		real, err := os.ReadFile(a.path("pool/python3_9.deb"))
		if err != nil {
			t.Fatal(err)
		}
		a.list.Reset()
		a.list.WriteString(strings.ReplaceAll(listed, fmt.Sprintf("%x", sha256.Sum256(real)), fmt.Sprintf("%x", sha256.Sum256([]byte(text)))))
		a.write("pool/python3_9.deb", []byte(text))
		a.publish("one")
		if _, err := baseimage.Build(t.Context(), from(a), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v; want %q", text, err, want)
		}
	}
}
