package baseimage_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// archive is a small archive of packages in a folder, signed by a key of its own.
type archive struct {
	t       *testing.T
	dir     string
	key     *openpgp.Entity
	list    strings.Builder
	release string // further fields of the Release file
}

var built = time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)

func newArchive(t *testing.T) *archive {
	t.Helper()
	key, err := openpgp.NewEntity("archive", "", "archive@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{t: t, dir: t.TempDir(), key: key}
	a.write("apt.conf", []byte(`Dir::Etc::Parts "/dev/null"; Dir::Etc::Main "/dev/null";`)) // not what this machine has set
	t.Setenv("APT_CONFIG", a.path("apt.conf"))
	var keys bytes.Buffer
	if err := key.Serialize(&keys); err != nil {
		t.Fatal(err)
	}
	a.write("keyring.gpg", keys.Bytes())
	return a
}

func (a *archive) path(name string) string { return filepath.Join(a.dir, name) }

func (a *archive) write(name string, text []byte) {
	a.t.Helper()
	if err := os.MkdirAll(filepath.Dir(a.path(name)), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(a.path(name), text, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// debArchitecture is this machine's, on those that tests run on.
var debArchitecture = map[string]string{"amd64": "amd64", "arm64": "arm64"}[runtime.GOARCH]

// add puts a package into the archive. files are "path content" with @target for a link and / for a folder.
func (a *archive) add(name, version, fields string, files ...string) {
	a.t.Helper()
	var control bytes.Buffer
	description := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\n%s", name, version, debArchitecture, fields)
	writeTar(a.t, &control, "./control "+description)
	var data bytes.Buffer
	writeTar(a.t, &data, files...)
	text := append([]byte("!<arch>\n"), member("debian-binary", []byte("2.0\n"))...)
	text = append(text, member("control.tar.gz", packed(a.t, ".gz", control.Bytes()))...)
	packing := []string{".gz", ".xz", ".zst", ""}[len(name)%4] // each form somewhere
	text = append(text, member("data.tar"+packing, packed(a.t, packing, data.Bytes()))...)
	file := fmt.Sprintf("pool/%s_%s.deb", name, version)
	a.write(file, text)
	fmt.Fprintf(&a.list, "%sFilename: %s\nSHA256: %x\n\n", description, file, sha256.Sum256(text))
}

func writeTar(t *testing.T, to io.Writer, files ...string) {
	t.Helper()
	w := tar.NewWriter(to)
	for _, f := range files {
		name, content, _ := strings.Cut(f, " ")
		h := tar.Header{Name: name, Mode: 0o4755, Uid: 33, Gid: 33, Uname: "www-data", ModTime: built, Typeflag: tar.TypeReg,
			Size: int64(len(content))}
		if target, isLink := strings.CutPrefix(content, "@"); isLink {
			h.Typeflag, h.Linkname = tar.TypeSymlink, target
			h.Size, content = 0, ""
		} else if strings.HasSuffix(name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func packed(t *testing.T, ending string, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch ending {
	case ".gz":
		w = gzip.NewWriter(&out)
	case ".xz":
		w, err = xz.NewWriter(&out)
	case ".zst":
		w, err = zstd.NewWriter(&out)
	default:
		return text
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func member(name string, content []byte) []byte {
	out := fmt.Appendf(nil, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", len(content))
	if out = append(out, content...); len(content)%2 == 1 {
		out = append(out, '\n')
	}
	return out
}

// publish writes the signed list of a suite.
func (a *archive) publish(suite string) {
	a.t.Helper()
	list := packed(a.t, ".gz", []byte(a.list.String()))
	file := "main/binary-" + debArchitecture + "/Packages.gz"
	a.write("dists/"+suite+"/"+file, list)
	release := fmt.Sprintf("Origin: Example\nSuite: stable\nCodename: %s\n%sSHA256:\n %x %d %s\n", suite, a.release, sha256.Sum256(list),
		len(list), file)
	var out bytes.Buffer
	w, err := clearsign.Encode(&out, a.key.PrivateKey, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := io.WriteString(w, release); err != nil {
		a.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		a.t.Fatal(err)
	}
	a.write("dists/"+suite+"/InRelease", out.Bytes())
}

// python publishes what an image needs, in the suite "one".
func python(t *testing.T) *archive {
	t.Helper()
	a := newArchive(t)
	a.add("python3", "3.12.1-1", "Depends: python3.12 (>= 3.12), mime | media-types\n", "./usr/bin/python3 @python3.12",
		"./usr/share/man/man1/p.1 text")
	a.add("python3.12", "3.12.1-2", "Pre-Depends: libc6 (>= 2.3), debconf\n", "./usr/bin/python3.12 program", "./usr/lib/python3.12/os.py os",
		"./usr/lib/python3.12/test/t.py test", "./usr/lib/python3.12/EXTERNALLY-MANAGED text", "./usr/share/doc/python3.12/copyright rights",
		"./usr/share/doc/python3.12/changelog.gz text")
	a.add("libc6", "2.9", "", "./lib/old.so old")
	a.add("libc6", "2.10", "Provides: libc (= 2.10)\n", "./lib/", "./lib/libc.so.6 libc", "./lib64/ld.so @/lib/ld.so")
	a.add("mime-types", "1", "Provides: mime\n", "./etc/mime.types types")
	a.add("ca-certificates", "1", "Depends: openssl\n", "./usr/share/ca-certificates/b.crt two\n", "./usr/share/ca-certificates/a.crt one")
	for _, name := range []string{"libstdc++6", "libgomp1", "tzdata", "netbase", "base-files", "busybox"} {
		a.add(name, "1", "Depends: libc (>= 2.10)\n", "./usr/share/"+name+" it")
	}
	a.publish("one")
	return a
}

// wheel is a wheel of uv.
func wheel(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, content := range map[string]string{"uv-1.10.0.data/scripts/uv": "uv program",
		"uv-1.10.0.dist-info/licenses/LICENSE-MIT": "licence",
		"uv-1.10.0.data/scripts/uvx":               "other"} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
