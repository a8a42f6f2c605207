package baseimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"berth.dev/berth"
)

// deb is a package: its files, and the paragraph that describes it.
type deb struct {
	name, control string
	files         []entry
}

// entry is a file, folder or link. Its data is of a regular file only.
type entry struct {
	tar.Header
	data []byte
}

// A package is an archive of the old Unix format ar: a line, then members with a header of 60 bytes each.
const (
	arMagic  = "!<arch>\n"
	arHeader = 60
)

// readDeb reads a package and runs nothing of it.
func readDeb(name string, text []byte) (deb, error) {
	d, err := readMembers(name, text)
	if err == nil && (d.control == "" || len(d.files) == 0) {
		err = errors.New("it has no description or no files")
	}
	if err != nil {
		err = berth.Errorf(berth.CodeBadRequest, "The package '%s' cannot be read: %v.", name, err)
	}
	return d, err
}

func readMembers(name string, text []byte) (deb, error) {
	d := deb{name: name}
	rest, isAr := bytes.CutPrefix(text, []byte(arMagic))
	if !isAr {
		return d, errors.New("it is no Debian package")
	}
	for len(rest) >= arHeader {
		member := strings.TrimRight(string(rest[:16]), " /")
		size, err := strconv.Atoi(strings.TrimSpace(string(rest[48:58])))
		if err != nil || size < 0 || size > len(rest)-arHeader {
			return d, errors.New("it is cut off")
		}
		content := rest[arHeader : arHeader+size]
		rest = rest[min(len(rest), arHeader+size+size%2):]
		kind, _, _ := strings.Cut(member, ".tar")
		if kind != "control" && kind != "data" {
			continue
		}
		plain, err := unpack(member, content)
		if err != nil {
			return d, err
		}
		files, err := readTar(plain)
		if err != nil {
			return d, err
		}
		if kind == "data" {
			d.files = files
			continue
		}
		for _, f := range files {
			if path.Clean(f.Name) == "control" {
				d.control = string(f.data)
			}
		}
	}
	return d, nil
}

// maxUnpacked bounds what is unpacked from one file.
const maxUnpacked = 256 << 20

// unpack undoes the compression that the ending of a name says.
func unpack(name string, content []byte) ([]byte, error) {
	var r io.Reader = bytes.NewReader(content)
	var err error
	switch path.Ext(name) {
	case ".gz":
		r, err = gzip.NewReader(r)
	case ".xz":
		r, err = xz.NewReader(r)
	case ".zst":
		r, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err == nil && len(text) > maxUnpacked {
		err = fmt.Errorf("it has more than %d MB when it is unpacked", maxUnpacked>>20)
	}
	return text, err
}

// readTar reads the files of an archive. Their data stays where it is.
func readTar(text []byte) (out []entry, err error) {
	all := bytes.NewReader(text)
	for r := tar.NewReader(all); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		e := entry{Header: *h}
		if h.Typeflag == tar.TypeReg {
			at := len(text) - all.Len()
			if h.Size > int64(all.Len()) {
				return nil, io.ErrUnexpectedEOF
			}
			e.data = text[at : at+int(h.Size) : at+int(h.Size)]
		}
		out = append(out, e)
	}
}
