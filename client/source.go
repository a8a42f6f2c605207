package client

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// FilesBelow are the files of a path for an upload: one, or all of a folder, under the folder's name.
func FilesBelow(file string) (files []File, folder bool, err error) {
	file, err = filepath.Abs(file)
	if err != nil {
		return nil, false, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, false, err
	}
	if !info.IsDir() {
		return []File{{filepath.Base(file), func() (io.ReadCloser, error) { return os.Open(file) }}}, false, nil
	}
	err = walk(file, func(name, full string) error {
		files = append(files, File{path.Join(filepath.Base(file), name), func() (io.ReadCloser, error) { return os.Open(full) }})
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("the folder %s has no files", file)
	}
	return files, true, err
}

// leftOut are folders of tools, which no model needs.
var leftOut = []string{".git", "__pycache__", ".ipynb_checkpoints"}

// walk visits every file below a folder: name is its path there, with slashes.
func walk(folder string, visit func(name, full string) error) error {
	return filepath.WalkDir(folder, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if full != folder && slices.Contains(leftOut, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		info, err := os.Stat(full) // of what a link leads to
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no file and no folder; take it out of the folder", full)
		}
		name, err := filepath.Rel(folder, full)
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(name), full)
	})
}

// Archive is a folder as one file, packed while it is read.
func Archive(folder, name string) File {
	return File{name + ".tar.gz", func() (io.ReadCloser, error) {
		from, to := io.Pipe()
		go func() { _ = to.CloseWithError(pack(to, folder, name)) }() // closing from ends it
		return from, nil
	}}
}

// pack writes the files of a folder to a tar.gz, below a name.
func pack(to io.Writer, folder, name string) error {
	zip := gzip.NewWriter(to)
	out := tar.NewWriter(zip)
	err := walk(folder, func(rel, full string) error {
		f, err := os.Open(full)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		err = out.WriteHeader(&tar.Header{Name: path.Join(name, rel), Mode: int64(info.Mode().Perm()), Size: info.Size(),
			ModTime: info.ModTime(), Typeflag: tar.TypeReg})
		if err != nil {
			return err
		}
		_, err = io.CopyN(out, f, info.Size())
		return err
	})
	return errors.Join(err, out.Close(), zip.Close())
}
