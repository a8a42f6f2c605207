package baseimage

import (
	"archive/tar"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// tree is what one layer holds: files by their paths, without a slash at the beginning.
type tree struct {
	files  map[string]entry
	newest time.Time // of the packages' files; what is made here has it, so that the same packages make the same layer
}

func newTree() *tree { return &tree{files: map[string]entry{}} }

// merged are the folders at the root that are links to those below usr. No package makes the links: another one of Debian does in a script.
var merged = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// place is where a file lies.
func place(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if first, _, below := strings.Cut(name, "/"); below && slices.Contains(merged, first) {
		return "usr/" + name
	}
	return name
}

// dropped are files that nothing in a container reads: texts for people, tests, other languages. Debian's copyright files stay, because who
// passes the image on must pass them on.
var dropped = regexp.MustCompile(strings.Join([]string{
	`^usr/share/(man|info|locale|lintian|bug|doc-base|menu|pixmaps|applications|icons|bash-completion|initramfs-tools|apport)(/|$)`,
	`^usr/share/doc/[^/]+/`,
	`^usr/lib/python3[^/]*/(.+/)?(tests?|__pycache__)(/|$)`,
	`^usr/lib/python3[^/]*/EXTERNALLY-MANAGED$`, // it would keep installers from the image's only Python
	`^usr/lib/[^/]+/gconv/`,                     // character sets of the C library; Python has its own
	`^(etc|usr/lib)/(init\.d|default|systemd|udev|update-motd\.d|dpkg)(/|$)`,
}, "|"))

var copyright = regexp.MustCompile(`^usr/share/doc/[^/]+/copyright$`)

// add takes the files of a package. Each is root's: a plain user's nodes know no other owner.
func (t *tree) add(files []entry) {
	for _, f := range files {
		name := place(f.Name)
		if name == "" || slices.Contains(merged, name) || dropped.MatchString(name) && !copyright.MatchString(name) {
			continue
		}
		if f.ModTime.After(t.newest) {
			t.newest = f.ModTime
		}
		switch f.Typeflag {
		case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
			t.files[name] = f
		case tar.TypeLink: // of the same package, earlier in it
			if target, there := t.files[place(f.Linkname)]; there {
				t.files[name] = target
			}
		}
	}
}

// file, folder and link make what no package holds.
func (t *tree) file(name, text string) {
	t.files[name] = entry{tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, ModTime: t.newest}, []byte(text)}
}

func (t *tree) folder(name string, mode int64) {
	t.files[name] = entry{Header: tar.Header{Typeflag: tar.TypeDir, Mode: mode, ModTime: t.newest}}
}

// link makes a symbolic link, unless a package has the file.
func (t *tree) link(name, target string) {
	if _, there := t.files[name]; !there {
		t.files[name] = entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777, ModTime: t.newest}}
	}
}

func (t *tree) size() (sum int64) {
	for _, f := range t.files {
		sum += int64(len(f.data))
	}
	return sum
}

// setID are the bits that let a program run as its owner. Nothing here needs them.
const setID = 0o6000

// write writes the tree as an archive: sorted, each folder before what it holds.
func (t *tree) write(to io.Writer) error {
	for name := range maps.Clone(t.files) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, there := t.files[dir]; !there {
				t.folder(dir, 0o755)
			}
		}
	}
	w := tar.NewWriter(to)
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		f := t.files[name]
		h := tar.Header{Typeflag: f.Typeflag, Name: name, Linkname: f.Linkname, Mode: f.Mode & int64(fs.ModePerm|0o7000) &^ setID,
			Size: int64(len(f.data)), ModTime: f.ModTime.Truncate(time.Second)}
		if f.Typeflag == tar.TypeDir {
			h.Name += "/"
		}
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	return w.Close()
}
