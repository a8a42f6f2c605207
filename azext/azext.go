// Package azext holds a small extension of the Azure CLI, `az ml computetarget`, and packs it as the wheel that
// `az extension add --source` installs. A wheel of plain Python is a zip file, so building Berth needs no Python.
package azext

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Version of the extension. az asks for an update by comparing it.
const Version = "0.1.0"

const (
	name = "ml_computetarget"
	info = name + "-" + Version + ".dist-info/"
	// Wheel is the file name: az reads the extension's name and version from it.
	Wheel = name + "-" + Version + "-py3-none-any.whl"
)

const metadata = "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + Version +
	"\nSummary: az ml computetarget, for Berth and Azure Machine Learning\nLicense: Apache-2.0\n"

//go:embed azext_ml_computetarget/*.py azext_ml_computetarget/azext_metadata.json
var source embed.FS

// build packs the wheel: the source, what it is (METADATA, WHEEL), and the checksums of everything (RECORD), as the binary
// distribution format of Python has it (PEP 427). The same source gives the same bytes.
var build = sync.OnceValues(func() ([]byte, error) {
	var out bytes.Buffer
	var record strings.Builder
	z := zip.NewWriter(&out)
	add := func(file string, text []byte) error {
		sum := sha256.Sum256(text)
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", file, base64.RawURLEncoding.EncodeToString(sum[:]), len(text))
		return write(z, file, text)
	}
	err := fs.WalkDir(source, ".", func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := source.ReadFile(file)
		if err != nil {
			return err
		}
		return add(file, text)
	})
	if err != nil {
		return nil, err
	}
	if err := add(info+"METADATA", []byte(metadata)); err != nil {
		return nil, err
	}
	if err := add(info+"WHEEL", []byte("Wheel-Version: 1.0\nGenerator: berth\nRoot-Is-Purelib: true\nTag: py3-none-any\n")); err != nil {
		return nil, err
	}
	if err := write(z, info+"RECORD", []byte(record.String()+info+"RECORD,,\n")); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil { // writes the directory: only then are the bytes whole
		return nil, err
	}
	return out.Bytes(), nil
})

func write(z *zip.Writer, file string, text []byte) error {
	w, err := z.CreateHeader(&zip.FileHeader{Name: file, Method: zip.Deflate, Modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// Path is where a server offers the wheel.
const Path = "/extensions/"

// Handler answers what is below Path: the wheel, and a line with the command that installs it from this server.
func Handler(endpoint string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch r.URL.Path {
		case Path:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = fmt.Fprintf(w, "az extension add --source %s%s%s\n", endpoint, Path, Wheel)
		case Path + Wheel:
			wheel, err := build()
			if err != nil {
				http.Error(w, "the wheel cannot be packed", http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/octet-stream")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(wheel))
		default:
			http.Error(w, "here is only "+Path+Wheel, http.StatusNotFound)
		}
	})
}
