package main

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// create writes a file by what write does. A file that could not be written whole does not stay.
func create(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	to := bufio.NewWriterSize(f, 1<<20)
	if err := errors.Join(write(to), to.Flush(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), os.Remove(path))
	}
	return nil
}

// tar writes the archive: everything belongs to root and has the time of the commit.
func (r release) tar(content []file) error {
	return create(r.path(".tar.gz"), func(to io.Writer) error {
		packed := gzip.NewWriter(to)
		w := tar.NewWriter(packed)
		for _, f := range content {
			if err := r.tarFile(w, r.name()+"/"+f.name, f); err != nil {
				return err
			}
		}
		return errors.Join(w.Close(), packed.Close())
	})
}

func (r release) tarFile(w *tar.Writer, name string, f file) error {
	text, err := os.ReadFile(f.source)
	if err != nil {
		return err
	}
	header := tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(f.mode), Size: int64(len(text)),
		ModTime: r.time, Format: tar.FormatPAX}
	if err := w.WriteHeader(&header); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func (r release) zip(content []file) error {
	return create(r.path(".zip"), func(to io.Writer) error {
		w := zip.NewWriter(to)
		for _, f := range content {
			text, err := os.ReadFile(f.source)
			if err != nil {
				return err
			}
			header := zip.FileHeader{Name: r.name() + "/" + f.name, Method: zip.Deflate, Modified: r.time}
			header.SetMode(f.mode)
			one, err := w.CreateHeader(&header)
			if err != nil {
				return err
			}
			if _, err := one.Write(text); err != nil {
				return err
			}
		}
		return w.Close()
	})
}

const sumsFile = "SHA256SUMS"

// writeSums lists the checksums of all other files of the folder, as sha256sum -c reads them.
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return err
	}
	var all strings.Builder
	for _, e := range entries {
		if e.Name() == sumsFile || !e.Type().IsRegular() {
			continue
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Fprintf(&all, "%x  %s\n", sum.Sum(nil), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(all.String()), 0o644)
}
